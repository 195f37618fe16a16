#include "os/tcp.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "os/name.h"

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
    union name name;
    socklen_t len = name_from_address(local, address_is_v4(local), &name);
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

int tcp_connect(const struct address *remote, int *ret_fd)
{
    union name name;
    socklen_t len = name_from_address(remote, address_is_v4(remote), &name);
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

/* What getpeername or getsockname says. */
static int ask_name(int (*ask)(int, struct sockaddr *, socklen_t *), int fd, struct address *ret)
{
    union name name = {0};
    socklen_t len = sizeof name;
    return ask(fd, &name.any, &len) == 0 && name_to_address(&name.any, ret) ? 0 : ERR_IO;
}

int socket_remote(int fd, struct address *ret_remote)
{
    return ask_name(getpeername, fd, ret_remote);
}

int socket_local(int fd, struct address *ret_local)
{
    return ask_name(getsockname, fd, ret_local);
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
        if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || !name_to_address(i->ifa_addr, &address) ||
            link_local(&address))
            continue;
        address.port = 0;
        ret_list[count++] = (struct interface_address){address, (i->ifa_flags & IFF_LOOPBACK) != 0};
    }
    freeifaddrs(all);
    *ret_count = count;
    return 0;
}
