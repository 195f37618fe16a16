#include "os/name.h"

#include <string.h>

socklen_t name_from_address(const struct address *a, bool v4, union name *ret_name)
{
    memset(ret_name, 0, sizeof *ret_name);
    if (v4) {
        ret_name->v4.sin_family = AF_INET;
        ret_name->v4.sin_port = htons(a->port);
        memcpy(&ret_name->v4.sin_addr, a->ip + 12, 4);
        return sizeof ret_name->v4;
    }
    ret_name->v6.sin6_family = AF_INET6;
    ret_name->v6.sin6_port = htons(a->port);
    memcpy(&ret_name->v6.sin6_addr, a->ip, 16);
    return sizeof ret_name->v6;
}

bool name_to_address(const struct sockaddr *name, struct address *ret_address)
{
    if (name->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, name, sizeof v4);
        return address_from_ip(slice_of(&v4.sin_addr, 4), ntohs(v4.sin_port), ret_address) == 0;
    }
    if (name->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, name, sizeof v6);
        return address_from_ip(slice_of(&v6.sin6_addr, 16), ntohs(v6.sin6_port), ret_address) == 0;
    }
    return false;
}
