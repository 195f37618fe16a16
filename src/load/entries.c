#include "load/entries.h"

#include <stdlib.h>
#include <string.h>

static int parse_line(char *line, struct entry *ret_entry)
{
    char *token = strchr(line, ' ');
    if (!token || token == line || token[1] == '\0' || strchr(token + 1, ' '))
        return ERR_FORMAT;
    *token = '\0';
    *ret_entry = (struct entry){line, token + 1};
    return 0;
}

static int parse_lines(struct entries *e)
{
    size_t cap = 0;
    char *end;
    for (char *line = e->text; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end)
            return ERR_FORMAT;
        *end = '\0';
        if (e->count == ENTRIES_MAX)
            return ERR_LIMIT;
        if (e->count == cap) {
            cap = cap > 0 ? cap * 2 : 16;
            struct entry *of = realloc(e->of, cap * sizeof *of);
            if (!of)
                return ERR_MEMORY;
            e->of = of;
        }
        int err = parse_line(line, &e->of[e->count]);
        if (err)
            return err;
        e->count++;
    }
    return e->count > 0 ? 0 : ERR_FORMAT;
}

int entries_parse(struct slice text, struct entries *ret_entries)
{
    struct entries e = {.text = calloc(1, text.len + 1)};
    if (!e.text)
        return ERR_MEMORY;
    if (text.len > 0)
        memcpy(e.text, text.data, text.len);
    int err = parse_lines(&e);
    if (err)
        entries_done(&e);
    else
        *ret_entries = e;
    return err;
}

void entries_done(struct entries *e)
{
    free(e->of);
    free(e->text);
    *e = (struct entries){0};
}
