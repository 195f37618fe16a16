#include "base/check.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "os/tcp.h"
#include "os/udp.h"

static struct udp *open_at(struct address at, struct address *ret_at)
{
    int fd = -1;
    struct udp *udp = NULL;
    assert_int_equal(udp_open(&at, UDP_SHARE, &fd), 0);
    assert_int_equal(udp_new(fd, &udp), 0);
    *ret_at = *udp_local(udp);
    return udp;
}

/* Receives until `count` datagrams came; checks lengths 1000 + i (mod 4) and their first byte. */
static struct path receive(struct udp *udp, size_t count, const size_t *lens)
{
    struct path last = {0};
    size_t at = 0;
    while (at < count) {
        const struct udp_datagram *d;
        size_t n;
        struct pollfd p = {.fd = udp_fd(udp), .events = POLLIN};
        assert_int_equal(poll(&p, 1, 2000), 1);
        assert_int_equal(udp_receive(udp, &d, &n), 0);
        for (size_t i = 0; i < n; i++, at++) {
            assert_true(at < count);
            assert_int_equal(d[i].data.len, lens[at]);
            for (size_t k = 0; k < lens[at]; k++)
                assert_int_equal(d[i].data.data[k], (uint8_t)at);
            assert_int_equal(d[i].segment, 0);
            last = d[i].path;
        }
    }
    const struct udp_datagram *none;
    size_t n;
    assert_int_equal(udp_receive(udp, &none, &n), ERR_AGAIN);
    return last;
}

static void exchange(struct address here, struct address there)
{
    struct address a_at;
    struct address b_at;
    struct udp *a = open_at(here, &a_at);
    struct udp *b = open_at(there, &b_at);
    static uint8_t bytes[20 * 1000 + 77];
    size_t lens[24];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i / 1000);
    for (size_t i = 0; i < 21; i++)
        lens[i] = i < 20 ? 1000 : 77;
    const uint8_t small[3] = {21, 22, 22};
    lens[21] = 1;
    lens[22] = 2;
    lens[23] = 0;
    const struct path path = {.local = here, .remote = b_at};
    const struct udp_datagram out[] = {{path, slice_of(bytes, sizeof bytes), 1000},
                                       {path, slice_of(small, 1), 0},
                                       {path, slice_of(small + 1, 2), 1200},
                                       {path, slice_of(small, 0), 0}};
    assert_int_equal(udp_send(a, out, 4), 4);
    assert_int_equal(udp_counts(a).dropped, 0);
    struct path back = receive(b, 24, lens);
    assert_true(address_eq(&back.remote, &a_at));
    assert_true(address_eq(&back.local, &b_at));
    udp_free(&a);
    udp_free(&b);
}

static void test_both_families(void **state)
{
    (void)state;
    struct address v6;
    exchange(address_v4(127, 0, 0, 1, 0), address_v4(127, 0, 0, 1, 0));
    assert_int_equal(address_parse("::1", 0, &v6), 0);
    exchange(v6, v6);
}

/* A socket on every address answers from the one that was asked. */
static void test_answers_from_the_address_asked(void **state)
{
    (void)state;
    struct address server_at;
    struct address client_at;
    struct udp *server = open_at(address_v4(0, 0, 0, 0, 0), &server_at);
    struct udp *client = open_at(address_v4(127, 0, 0, 1, 0), &client_at);
    for (uint8_t last = 1; last < 4; last++) {
        struct address asked = address_v4(127, 0, 3, last, server_at.port);
        const struct udp_datagram ask = {{{{0}, 0}, asked}, SLICE("\0"), 0};
        assert_int_equal(udp_send(client, &ask, 1), 1);
        struct path path = receive(server, 1, (const size_t[]){1});
        assert_true(address_eq(&path.local, &asked));
        const struct udp_datagram answer = {path, SLICE("\0"), 0};
        assert_int_equal(udp_send(server, &answer, 1), 1);
        path = receive(client, 1, (const size_t[]){1});
        assert_true(address_eq(&path.remote, &asked));
    }
    udp_free(&server);
    udp_free(&client);
}

/* One datagram that cannot be sent costs nobody else theirs. */
static void test_refusals(void **state)
{
    (void)state;
    struct address a_at;
    struct address b_at;
    struct address v6;
    struct udp *a = open_at(address_v4(127, 0, 0, 1, 0), &a_at);
    struct udp *b = open_at(address_v4(127, 0, 0, 1, 0), &b_at);
    assert_int_equal(address_parse("::1", 9, &v6), 0);
    static uint8_t large[70000];
    struct address not_ours = address_v4(192, 0, 2, 7, 0);
    const struct udp_datagram out[] = {
        {{a_at, v6}, SLICE("x"), 0},       {{a_at, b_at}, slice_of(large, 66000), 0},
        {{not_ours, b_at}, SLICE("x"), 0}, {{a_at, b_at}, slice_of(large, UDP_MESSAGE_MAX), 10},
        {{a_at, b_at}, SLICE("\0"), 0},    {{a_at, address_v4(0, 0, 0, 0, 0)}, SLICE("x"), 0},
        {{a_at, b_at}, SLICE("\1"), 0},
    };
    assert_int_equal(udp_send(a, out, 7), 7);
    assert_int_equal(udp_counts(a).dropped, 5);
    assert_true(udp_counts(a).gso);
    (void)receive(b, 2, (const size_t[]){1, 1});
    udp_free(&a);
    udp_free(&b);
}

static void test_in_use(void **state)
{
    (void)state;
    int first;
    int second;
    struct address at = address_v4(127, 0, 0, 1, 0);
    struct address real;
    struct udp *udp = NULL;
    assert_int_equal(udp_open(&at, 0, &first), 0);
    assert_int_equal(udp_new(first, &udp), 0);
    real = *udp_local(udp);
    assert_int_equal(udp_open(&real, UDP_SHARE, &second), ERR_EXISTS);
    udp_free(&udp);
    udp_free(&udp);
}

/* A socket without checksums is one that the kernel refuses to segment for. */
static void test_without_gso(void **state)
{
    (void)state;
    struct address a_at;
    struct address b_at;
    struct udp *a = open_at(address_v4(127, 0, 0, 1, 0), &a_at);
    struct udp *b = open_at(address_v4(127, 0, 0, 1, 0), &b_at);
    int on = 1;
    assert_int_equal(setsockopt(udp_fd(a), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
    static uint8_t bytes[2500];
    const size_t lens[] = {1000, 1000, 500, 1, 1000, 1000, 500};
    for (int round = 0; round < 2; round++) {
        memset(bytes, round * 4, 1000);
        memset(bytes + 1000, round * 4 + 1, 1000);
        memset(bytes + 2000, round * 4 + 2, 500);
        const struct udp_datagram out[] = {{{a_at, b_at}, slice_of(bytes, sizeof bytes), 1000},
                                           {{a_at, b_at}, SLICE("\3"), 0}};
        size_t count = round == 0 ? 2 : 1;
        assert_int_equal(udp_send(a, out, count), count);
        assert_false(udp_counts(a).gso);
        if (round == 1)
            (void)receive(b, 7, lens);
    }
    assert_int_equal(udp_counts(a).dropped, 0);
    udp_free(&a);
    udp_free(&b);
}

/* Reached under an address of an interface, but only from here. */
static void test_this_machine(void **state)
{
    (void)state;
    struct interface_address all[32];
    size_t count = 0;
    int fd = -1;
    struct udp *server = NULL;
    struct udp *client = NULL;
    struct address any = address_v4(0, 0, 0, 0, 0);
    struct address client_at;
    assert_int_equal(udp_open(&any, UDP_SHARE | UDP_THIS_MACHINE, &fd), 0);
    assert_int_equal(udp_new(fd, &server), 0);
    assert_int_equal(interface_addresses(all, 32, &count), 0);
    for (size_t i = 0; i < count; i++) {
        if (!address_is_v4(&all[i].address))
            continue;
        client = open_at(all[i].address, &client_at);
        struct address to = all[i].address;
        to.port = udp_local(server)->port;
        const struct udp_datagram ask = {{client_at, to}, SLICE("\0"), 0};
        assert_int_equal(udp_send(client, &ask, 1), 1);
        struct path path = receive(server, 1, (const size_t[]){1});
        const struct udp_datagram answer = {path, SLICE("\0"), 0};
        assert_int_equal(udp_send(server, &answer, 1), 1);
        path = receive(client, 1, (const size_t[]){1});
        assert_true(address_eq(&path.remote, &to));
        udp_free(&client);
    }
    udp_free(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_families), cmocka_unit_test(test_answers_from_the_address_asked),
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_in_use),
        cmocka_unit_test(test_without_gso),   cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
