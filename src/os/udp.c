#include "os/udp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/units.h"
#include "os/name.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Messages per system call. With GRO each may hold up to 64 kB, so this also bounds memory. */
#define RECEIVE_BATCH 32
#define SEND_BATCH 64
#define RECEIVE_SIZE ((size_t)65536)
/* GRO never joins more than this many. */
#define GRO_MAX 64

#define RECEIVE_CONTROL (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)))
#define SEND_CONTROL (CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)))

union receive_control {
    struct cmsghdr align;
    uint8_t bytes[RECEIVE_CONTROL];
};

union send_control {
    struct cmsghdr align;
    uint8_t bytes[SEND_CONTROL];
};

struct udp {
    int fd;
    bool v4;
    bool gso;
    bool gso_proven; /* a message with segments went out once */
    size_t batch;    /* messages per system call */
    struct address local;
    struct udp_counts counts;
    bool drained;
    struct mmsghdr in[RECEIVE_BATCH];
    struct iovec in_parts[RECEIVE_BATCH];
    union name in_names[RECEIVE_BATCH];
    union receive_control in_controls[RECEIVE_BATCH];
    struct udp_datagram received[RECEIVE_BATCH * GRO_MAX];
    struct mmsghdr out[SEND_BATCH];
    struct iovec out_parts[SEND_BATCH];
    union name out_names[SEND_BATCH];
    union send_control out_controls[SEND_BATCH];
    uint8_t bytes[RECEIVE_BATCH][RECEIVE_SIZE];
};

static bool is_any(const struct address *a)
{
    static const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t v6[16] = {0};
    return memcmp(a->ip, v4, 16) == 0 || memcmp(a->ip, v6, 16) == 0;
}

static bool option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static void enlarge(int fd)
{
    /* Root may go beyond the system's limit; others get as much as it allows. */
    if (!option(fd, SOL_SOCKET, SO_RCVBUFFORCE, (int)UDP_BUFFER))
        (void)option(fd, SOL_SOCKET, SO_RCVBUF, (int)UDP_BUFFER);
    if (!option(fd, SOL_SOCKET, SO_SNDBUFFORCE, (int)UDP_BUFFER))
        (void)option(fd, SOL_SOCKET, SO_SNDBUF, (int)UDP_BUFFER);
}

/* What we send to an address of our own comes in over the loopback device, whichever address it is;
 * so a filter on the device lets in just that. (Binding to the device would refuse the addresses of
 * other interfaces.) */
static bool only_this_machine(int fd)
{
    unsigned loopback = if_nametoindex("lo");
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, loopback, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog program = {ARRAY_LEN(code), code};
    return loopback > 0 &&
           setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 &&
           option(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
}

int udp_open(const struct address *local, unsigned flags, int *ret_fd)
{
    bool v4 = address_is_v4(local);
    union name name;
    int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno == EAFNOSUPPORT ? ERR_UNSUPPORTED : ERR_IO;
    bool ok = v4 ? option(fd, IPPROTO_IP, IP_PKTINFO, 1)
                 : option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
                       option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    ok = ok && (!(flags & UDP_SHARE) || option(fd, SOL_SOCKET, SO_REUSEPORT, 1));
    if (flags & UDP_THIS_MACHINE)
        ok = ok && only_this_machine(fd);
    (void)option(fd, IPPROTO_UDP, UDP_GRO, 1); /* older kernels just do not join */
    enlarge(fd);
    socklen_t len = name_from_address(local, v4, &name);
    if (ok && bind(fd, &name.any, len) == 0) {
        *ret_fd = fd;
        return 0;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    if (saved == EADDRINUSE)
        return ERR_EXISTS;
    return saved == EADDRNOTAVAIL ? ERR_UNSUPPORTED : ERR_IO;
}

int udp_new(int fd, struct udp **ret_udp)
{
    union name name = {0};
    socklen_t len = sizeof name;
    struct address local;
    if (getsockname(fd, &name.any, &len) < 0 || !name_to_address(&name.any, &local))
        return ERR_IO;
    struct udp *udp = calloc(1, sizeof *udp);
    if (!udp)
        return ERR_MEMORY;
    udp->fd = fd;
    udp->v4 = name.any.sa_family == AF_INET;
    udp->gso = true;
    udp->batch = SEND_BATCH;
    udp->local = local;
    for (size_t i = 0; i < RECEIVE_BATCH; i++) {
        udp->in_parts[i] = (struct iovec){udp->bytes[i], RECEIVE_SIZE};
        udp->in[i].msg_hdr.msg_iov = &udp->in_parts[i];
        udp->in[i].msg_hdr.msg_iovlen = 1;
        udp->in[i].msg_hdr.msg_name = &udp->in_names[i];
        udp->in[i].msg_hdr.msg_control = udp->in_controls[i].bytes;
    }
    *ret_udp = udp;
    return 0;
}

void udp_free(struct udp **udp)
{
    if (!*udp)
        return;
    close((*udp)->fd);
    free(*udp);
    *udp = NULL;
}

int udp_fd(const struct udp *udp)
{
    return udp->fd;
}

void udp_set_single(struct udp *udp)
{
    udp->gso = false;
    udp->batch = 1;
}

const struct address *udp_local(const struct udp *udp)
{
    return &udp->local;
}

struct udp_counts udp_counts(const struct udp *udp)
{
    struct udp_counts counts = udp->counts;
    counts.gso = udp->gso;
    return counts;
}

uint32_t udp_drops(const struct udp *udp)
{
    uint32_t values[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof values;
    if (getsockopt(udp->fd, SOL_SOCKET, SO_MEMINFO, values, &len) < 0)
        return 0; /* Linux before 4.12 */
    return values[SK_MEMINFO_DROPS];
}

/* Our address that the datagram was sent to, and the size GRO joined by (0: not joined). */
static void read_control(const struct udp *udp, struct msghdr *head, struct address *ret_local,
                         size_t *ret_segment)
{
    *ret_local = udp->local;
    *ret_segment = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(ret_local->ip + 12, &info.ipi_spec_dst, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(ret_local->ip, &info.ipi6_addr, 16);
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int size;
            memcpy(&size, CMSG_DATA(c), sizeof size);
            *ret_segment = size > 0 ? (size_t)size : 0;
        }
    }
}

static size_t take_apart(struct udp *udp, size_t i, size_t count)
{
    struct path path;
    size_t segment;
    struct msghdr *head = &udp->in[i].msg_hdr;
    size_t len = udp->in[i].msg_len;
    if ((head->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
        !name_to_address(&udp->in_names[i].any, &path.remote)) {
        udp->counts.receive_fail++;
        return count;
    }
    read_control(udp, head, &path.local, &segment);
    if (segment == 0 || segment > len)
        segment = len;
    size_t at = 0;
    for (size_t n = 0; n < GRO_MAX && (at < len || n == 0); n++) {
        size_t part = len - at < segment ? len - at : segment;
        udp->received[count++] =
            (struct udp_datagram){.path = path, .data = slice_of(udp->bytes[i] + at, part)};
        at += part;
    }
    if (at < len)
        udp->counts.receive_fail++;
    return count;
}

int udp_receive(struct udp *udp, const struct udp_datagram **ret_datagrams, size_t *ret_count)
{
    for (size_t i = 0; i < RECEIVE_BATCH; i++) {
        udp->in[i].msg_hdr.msg_namelen = sizeof(union name);
        udp->in[i].msg_hdr.msg_controllen = RECEIVE_CONTROL;
        udp->in[i].msg_hdr.msg_flags = 0;
    }
    int got = recvmmsg(udp->fd, udp->in, RECEIVE_BATCH, MSG_DONTWAIT, NULL);
    udp->drained = got < RECEIVE_BATCH;
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_IO;
    size_t count = 0;
    for (size_t i = 0; i < (size_t)got; i++)
        count = take_apart(udp, i, count);
    *ret_datagrams = udp->received;
    *ret_count = count;
    return 0;
}

bool udp_drained(const struct udp *udp)
{
    return udp->drained;
}

static struct cmsghdr *add_control(struct msghdr *head, int level, int type, const void *data,
                                   size_t len)
{
    struct cmsghdr *c =
        (struct cmsghdr *)(void *)((uint8_t *)head->msg_control + head->msg_controllen);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    head->msg_controllen += CMSG_SPACE(len);
    return c;
}

static void prepare(struct udp *udp, size_t slot, const struct udp_datagram *d, struct slice data,
                    uint16_t segment)
{
    struct msghdr *head = &udp->out[slot].msg_hdr;
    *head = (struct msghdr){.msg_name = &udp->out_names[slot],
                            .msg_iov = &udp->out_parts[slot],
                            .msg_iovlen = 1,
                            .msg_control = udp->out_controls[slot].bytes};
    head->msg_namelen = name_from_address(&d->path.remote, udp->v4, &udp->out_names[slot]);
    udp->out_parts[slot] = (struct iovec){(void *)(uintptr_t)data.data, data.len};
    if (!is_any(&d->path.local) && udp->v4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, d->path.local.ip + 12, 4);
        (void)add_control(head, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (!is_any(&d->path.local)) {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, d->path.local.ip, 16);
        (void)add_control(head, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
    if (segment > 0)
        (void)add_control(head, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    if (head->msg_controllen == 0)
        head->msg_control = NULL;
}

static bool full(int err)
{
    return err == EAGAIN || err == EINTR || err == ENOBUFS;
}

/* How many of the first `count` prepared messages went out; errno tells about the next. */
static size_t transmit(struct udp *udp, size_t count)
{
    int sent = sendmmsg(udp->fd, udp->out, (unsigned)count, MSG_DONTWAIT);
    return sent > 0 ? (size_t)sent : 0;
}

/* The parts of one GSO message, one by one. False when the buffer is full before any went out:
 * later ones that find no room are dropped, as a network would. */
static bool send_parts(struct udp *udp, const struct udp_datagram *d)
{
    bool any = false;
    for (size_t at = 0; at < d->data.len;) {
        size_t count = 0;
        for (; count < udp->batch && at < d->data.len; count++, at += d->segment)
            prepare(udp, count, d, slice_sub(d->data, at, d->segment), 0);
        size_t sent = transmit(udp, count);
        if (sent == 0 && !any && full(errno))
            return false;
        any = true;
        udp->counts.dropped += count - sent;
    }
    return true;
}

static bool fits(const struct udp *udp, const struct udp_datagram *d)
{
    if (address_is_v4(&d->path.remote) != udp->v4 || d->data.len > UDP_MESSAGE_MAX)
        return false;
    return d->segment == 0 || d->data.len <= (size_t)d->segment * UDP_SEGMENTS_MAX;
}

/* After a refusal of the first message of a batch: true when it is dealt with. */
static bool handle_refusal(struct udp *udp, const struct udp_datagram *d, int err)
{
    if (full(err))
        return false;
    if (d->segment > 0 && d->data.len > d->segment && udp->gso && (err == EINVAL || err == EIO)) {
        /* EIO: the device cannot. EINVAL: the kernel cannot, or this path's MTU is too small. */
        if (err == EIO || !udp->gso_proven)
            udp->gso = false;
        return send_parts(udp, d);
    }
    udp->counts.dropped++;
    return true;
}

static size_t send_batch(struct udp *udp, const struct udp_datagram *datagrams, size_t count)
{
    size_t slots = 0;
    bool segments = false;
    for (; slots < count && slots < udp->batch; slots++) {
        const struct udp_datagram *d = &datagrams[slots];
        bool several = d->segment > 0 && d->data.len > d->segment;
        if (!fits(udp, d) || (several && !udp->gso))
            break;
        prepare(udp, slots, d, d->data, several ? d->segment : 0);
        segments |= several;
    }
    if (slots == 0 && !fits(udp, datagrams)) {
        udp->counts.dropped++;
        return 1;
    }
    if (slots == 0)
        return send_parts(udp, datagrams) ? 1 : 0;
    errno = 0;
    size_t sent = transmit(udp, slots);
    if (sent == slots && segments)
        udp->gso_proven = true;
    if (sent > 0)
        return sent;
    return handle_refusal(udp, datagrams, errno) ? 1 : 0;
}

size_t udp_send(struct udp *udp, const struct udp_datagram *datagrams, size_t count)
{
    size_t done = 0;
    while (done < count) {
        size_t more = send_batch(udp, datagrams + done, count - done);
        if (more == 0)
            break;
        done += more;
    }
    return done;
}
