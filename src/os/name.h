/* Addresses as the kernel writes them. For src/os only. */
#ifndef OS_NAME_H
#define OS_NAME_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/address.h"

union name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* For a socket of IPv4 (`v4`) or IPv6. */
socklen_t name_from_address(const struct address *address, bool v4, union name *ret_name);
/* False: of another family. `name` may be aligned in any way. */
bool name_to_address(const struct sockaddr *name, struct address *ret_address);

#endif
