/* XML as XMPP uses it (RFC 6120 section 11): one complete element in a slice becomes a tree in an
 * arena, and a writer that builds elements with correct escaping. No documents, no DTD, no entities
 * but the five predefined, no comments, no processing instructions. UTF-8 only.
 *
 * Prefixes are resolved and forgotten: a node has its local name and its namespace. Attributes with
 * a prefix are dropped, but for xml:lang. */
#ifndef PROTO_XML_H
#define PROTO_XML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* The largest stanza a client has reason to send is a session-accept of some 20 KiB. */
#define XML_SIZE_MAX ((size_t)(256 * 1024))
#define XML_DEPTH_MAX 32
#define XML_NODES_MAX 4096
#define XML_ATTRS_MAX 32
/* Room for the largest tree that these bounds allow. */
#define XML_ARENA_MAX ((size_t)(8 * 1024 * 1024))

struct xml_attr {
    struct slice name;
    struct slice value; /* decoded */
    struct xml_attr *next;
};

/* An element, or a text when name.len == 0. Everything lives in the arena or in the input. */
struct xml_node {
    struct slice name;
    struct slice ns;
    struct slice text; /* of a text node, decoded */
    struct xml_attr *attrs;
    struct xml_node *parent;
    struct xml_node *first;
    struct xml_node *last;
    struct xml_node *next;
};

/* Parses one element with blanks around it. `default_ns` is the namespace of what declares none.
 * ERR_FORMAT; ERR_LIMIT: one of the bounds above. The tree is valid as long as arena and bytes. */
int xml_parse(struct arena *arena, struct slice bytes, struct slice default_ns,
              struct xml_node **ret_root) MUST_USE;

/* The value of an attribute, empty when absent. NULL nodes are allowed in all of these. */
struct slice xml_get(const struct xml_node *node, const char *name);
bool xml_is(const struct xml_node *node, const char *name, const char *ns);
/* The first child element of that name and namespace; a NULL name or namespace fits any. */
struct xml_node *xml_child(const struct xml_node *node, const char *name, const char *ns);
/* The next sibling after `node` that fits. */
struct xml_node *xml_next(const struct xml_node *node, const char *name, const char *ns);
/* The first text directly in the element. */
struct slice xml_text(const struct xml_node *node);

/* Builds elements into a buffer. Failure shows in the buffer. Every element is written with its
 * literal xmlns, as Jitsi's client matches that attribute and no inherited one; only what lies in
 * jabber:client below a stanza, which it never looks for by namespace, goes without. */
struct xml_writer {
    struct buf *out;
    struct slice stack[XML_DEPTH_MAX + 8];
    unsigned depth;
    bool in_tag;
};

void xml_writer_init(struct xml_writer *w, struct buf *out);
/* `name` and `ns` outlive the writer's use. */
void xml_open(struct xml_writer *w, const char *name, const char *ns);
/* Only directly after xml_open. */
void xml_put(struct xml_writer *w, const char *name, struct slice value);
void xml_put_str(struct xml_writer *w, const char *name, const char *value);
void xml_put_u64(struct xml_writer *w, const char *name, uint64_t value);
void xml_chars(struct xml_writer *w, struct slice text);
/* Markup that was written by such a writer before. */
void xml_raw(struct xml_writer *w, struct slice markup);
void xml_close(struct xml_writer *w);
/* An empty element; one with text. */
void xml_empty(struct xml_writer *w, const char *name, const char *ns);
void xml_leaf(struct xml_writer *w, const char *name, const char *ns, struct slice text);
/* The node with all that is in it. Elements of jabber:client below others of it get no xmlns. */
void xml_copy(struct xml_writer *w, const struct xml_node *node);

#endif
