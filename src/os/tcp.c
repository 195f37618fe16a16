#include "os/tcp.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that wait for accept: a school's pupils all come at eight o'clock. */
#define BACKLOG 4096

static int from_errno(void)
{
    switch (errno) {
    case EADDRINUSE:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return ERR_UNSUPPORTED;
    default:
        return ERR_IO;
    }
}

static bool option(int fd, int level, int name)
{
    int on = 1;
    return setsockopt(fd, level, name, &on, sizeof on) == 0;
}

static int bind_to(int fd, const struct address *local)
{
    if (address_is_v4(local)) {
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(local->port)};
        memcpy(&name.sin_addr, local->ip + 12, 4);
        return bind(fd, (const struct sockaddr *)&name, sizeof name);
    }
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(local->port)};
    memcpy(&name.sin6_addr, local->ip, 16);
    return bind(fd, (const struct sockaddr *)&name, sizeof name);
}

int tcp_listen(const struct address *local, int *ret_fd)
{
    bool v4 = address_is_v4(local);
    int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return from_errno();
    bool ok = option(fd, SOL_SOCKET, SO_REUSEADDR) && option(fd, IPPROTO_TCP, TCP_NODELAY);
    ok = ok && (v4 || option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
    if (ok && bind_to(fd, local) == 0 && listen(fd, BACKLOG) == 0) {
        *ret_fd = fd;
        return 0;
    }
    int err = from_errno();
    close(fd);
    return err;
}

static bool from_name(const struct sockaddr *name, struct address *ret_address)
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

int socket_local(int fd, struct address *ret_local)
{
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &len) < 0 ||
        !from_name((const struct sockaddr *)&name, ret_local))
        return ERR_IO;
    return 0;
}

static bool link_local(const struct address *a)
{
    if (address_is_v4(a))
        return a->ip[12] == 169 && a->ip[13] == 254;
    return a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

int interface_addresses(struct interface_address *ret_list, size_t max, size_t *ret_count)
{
    struct ifaddrs *all;
    size_t count = 0;
    if (getifaddrs(&all) < 0)
        return ERR_IO;
    for (const struct ifaddrs *i = all; i && count < max; i = i->ifa_next) {
        struct address address;
        if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || !from_name(i->ifa_addr, &address) ||
            link_local(&address))
            continue;
        address.port = 0;
        ret_list[count++] = (struct interface_address){address, (i->ifa_flags & IFF_LOOPBACK) != 0};
    }
    freeifaddrs(all);
    *ret_count = count;
    return 0;
}
