/* Server-side includes as a stock Jitsi Meet build uses them: <!--#include virtual="path" --> and
 * <!--#echo var="name" default="text" --> (with or without blanks after the #). Other commands are
 * left out of the page. */
#ifndef EDGE_SSI_H
#define EDGE_SSI_H

#include "base/slice.h"

enum ssi_kind { SSI_TEXT, SSI_INCLUDE, SSI_ECHO, SSI_UNKNOWN };

struct ssi_piece {
    enum ssi_kind kind;
    struct slice text;     /* TEXT: as it stands; INCLUDE: the path; ECHO: the variable's name */
    struct slice fallback; /* ECHO: the default, empty when none is given */
};

/* Cuts the next piece off the front of *rest; false at the end. A directive without its end is
 * text. Views into the page. */
bool ssi_next(struct slice *rest, struct ssi_piece *ret_piece);

#endif
