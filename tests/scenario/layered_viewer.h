/* A decoder's view of one stream in any codec: frames are put together and taken for decodable by
 * what descriptors say, as browsers do; then what the frames really need must be there. */
#ifndef TESTS_LAYERED_VIEWER_H
#define TESTS_LAYERED_VIEWER_H

#include "layered_sender.h"

#define LAYERED_WINDOW 2048
#define LAYERED_KNOWN 65536

struct layered_viewed {
    int64_t sequence; /* -1: missing */
    usec_t since;     /* when it was found missing */
    usec_t asked;
    unsigned tries;
    uint32_t timestamp;
    bool marker;
    bool empty; /* stands for one that was left out */
    const struct codec *codec;
    bool start;
    bool end;
    bool described; /* its references are read in order, by the structure that holds then */
    uint8_t extension_len;
    uint8_t extension[UINT8_MAX];
    unsigned spatial;
    uint32_t number; /* for references; by codec */
    bool key;
    bool follows; /* needs the frame before, whichever that is */
    uint32_t refs[DEPENDENCY_FDIFFS_MAX];
    unsigned ref_count;
    struct layered_frame frame;
};

struct layered_viewer {
    struct pipe *up;
    bool repairs;
    struct layered_viewed window[LAYERED_WINDOW];
    bool started;
    int64_t highest;
    int64_t next;
    struct dependency_structure structure;
    uint32_t active;
    uint32_t decoded[LAYERED_KNOWN]; /* descriptors' numbers, plus one */
    uint32_t known[LAYERED_KNOWN];   /* names of frames, plus one */
    bool whole;                      /* the frame before was decoded, and nothing lost since */
    const struct codec *codec;
    /* The newest decoded. */
    uint32_t timestamp;
    bool ended; /* its picture had its marker */
    unsigned stream;
    unsigned spatial; /* of the newest whole picture */
    usec_t shown_at;
    usec_t longest_freeze;
    usec_t pli_at;
    usec_t packet_at;
    /* Counts. */
    unsigned pictures;
    unsigned dropped; /* frames that could not be decoded */
    unsigned holes;   /* packets given up */
    unsigned plis;
    unsigned repaired;
    unsigned changes; /* of codec */
};

void layered_viewer_init(struct layered_viewer *viewer, struct pipe *up);
void layered_viewer_input(struct layered_viewer *viewer, usec_t now, struct slice rtp);
void layered_viewer_step(struct layered_viewer *viewer, usec_t now);
/* Pictures and freezes are counted from here. */
void layered_viewer_begin(struct layered_viewer *viewer, usec_t now);

#endif
