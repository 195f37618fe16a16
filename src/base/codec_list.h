/* Video codecs by name, most preferred first: what school, api and signal share. */
#ifndef BASE_CODEC_LIST_H
#define BASE_CODEC_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum codec_id { CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1 };
#define CODEC_COUNT 4
#define CODEC_LIST_TEXT 20 /* all their names with a character between, and NUL */

/* Each at most once. */
struct codec_list {
    uint8_t count;
    uint8_t at[CODEC_COUNT]; /* enum codec_id */
};

bool codec_list_has(const struct codec_list *list, enum codec_id codec);
/* Names apart by `mark`, in any case; others and repeated ones are passed over. */
struct codec_list codec_list_read(struct slice text, uint8_t mark);
/* As a school may choose: names apart by one blank, each once, with VP8, which all browsers have.
 * ERR_FORMAT. */
int codec_list_parse(struct slice text, struct codec_list *ret_list) MUST_USE;
/* Those of `list` that `allowed` has, too, in the order of `list`. */
struct codec_list codec_list_within(const struct codec_list *list,
                                    const struct codec_list *allowed);
void codec_list_print(const struct codec_list *list, char mark, char out[CODEC_LIST_TEXT]);

#endif
