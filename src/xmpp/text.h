/* One serialised stanza that many sessions may wait for: counted references instead of copies. The
 * pool knows which texts the journal still has to learn or may forget. */
#ifndef XMPP_TEXT_H
#define XMPP_TEXT_H

#include "base/buf.h"
#include "base/list.h"
#include "base/slice.h"

struct text {
    uint64_t id; /* unique for the lifetime of the journal */
    unsigned refs;
    bool kept;         /* some queue holds or held it: it belongs into the journal */
    bool saved;        /* the journal has it */
    struct list fresh; /* in text_pool.fresh while kept and not saved */
    size_t len;
    uint8_t bytes[];
};

struct text_pool {
    struct list fresh;
    struct buf dead; /* ids (host order, 8 bytes each) that the journal may forget */
    uint64_t next_id;
};

void text_pool_init(struct text_pool *pool);
void text_pool_done(struct text_pool *pool);
/* A copy with one reference; NULL: no memory. */
struct text *text_new(struct text_pool *pool, struct slice bytes);
/* With the id it had before a restart. */
struct text *text_restore(struct text_pool *pool, uint64_t id, struct slice bytes);
struct text *text_ref(struct text *text);
/* Also takes NULL in *text. */
void text_unref(struct text_pool *pool, struct text **text);
/* From now on the journal shall have it. */
void text_keep(struct text_pool *pool, struct text *text);
struct slice text_slice(const struct text *text);

#endif
