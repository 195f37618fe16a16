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

union name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t to_name(const struct address *a, union name *ret_name)
{
    memset(ret_name, 0, sizeof *ret_name);
    if (address_is_v4(a)) {
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

static int bind_to(int fd, const struct address *local)
{
    union name name;
    socklen_t len = to_name(local, &name);
    return bind(fd, &name.any, len);
}

int tcp_listen(const struct address *local, bool share, int *ret_fd)
{
    bool v4 = address_is_v4(local);
    int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return from_errno();
    bool ok = option(fd, SOL_SOCKET, SO_REUSEADDR) && option(fd, IPPROTO_TCP, TCP_NODELAY);
    ok = ok && (v4 || option(fd, IPPROTO_IPV6, IPV6_V6ONLY));
    ok = ok && (!share || option(fd, SOL_SOCKET, SO_REUSEPORT));
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

int tcp_connect(const struct address *remote, int *ret_fd)
{
    union name name;
    socklen_t len = to_name(remote, &name);
    int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return from_errno();
    if (option(fd, IPPROTO_TCP, TCP_NODELAY) &&
        (connect(fd, &name.any, len) == 0 || errno == EINPROGRESS)) {
        *ret_fd = fd;
        return 0;
    }
    int err = from_errno();
    close(fd);
    return err;
}

int tcp_accept(int listener, int *ret_fd)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        *ret_fd = fd;
        return 0;
    }
    bool full = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
    return full ? ERR_LIMIT : ERR_AGAIN; /* one that broke off while waiting is as none */
}

int tcp_make_prompt(int fd, int unsent)
{
    bool ok = option(fd, IPPROTO_TCP, TCP_NODELAY) &&
              setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent) == 0;
    return ok ? 0 : ERR_IO;
}

int socket_remote(int fd, struct address *ret_remote)
{
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    if (getpeername(fd, (struct sockaddr *)&name, &len) < 0 ||
        !from_name((const struct sockaddr *)&name, ret_remote))
        return ERR_IO;
    return 0;
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
