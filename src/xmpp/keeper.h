/* Where state goes that must outlive the process: the program puts it into its journal. */
#ifndef XMPP_KEEPER_H
#define XMPP_KEEPER_H

#include "base/err.h"
#include "base/slice.h"

struct keeper {
    /* What is put and deleted between them is taken as a whole or not at all. */
    void (*begin)(void *arg);
    int (*commit)(void *arg);
    int (*put)(void *arg, struct slice key, struct slice value);
    int (*del)(void *arg, struct slice key);
    void *arg;
};

#endif
