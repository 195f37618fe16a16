#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t STREAM_PREFIX[8] = {1};
static const uint8_t V4_PREFIX[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct address address_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    struct address address = {.port = port};
    memcpy(address.ip, V4_PREFIX, sizeof V4_PREFIX);
    address.ip[12] = a;
    address.ip[13] = b;
    address.ip[14] = c;
    address.ip[15] = d;
    return address;
}

bool address_is_v4(const struct address *address)
{
    return memcmp(address->ip, V4_PREFIX, sizeof V4_PREFIX) == 0;
}

bool address_is_loopback(const struct address *address)
{
    static const uint8_t SIX[16] = {[15] = 1};
    return address_is_v4(address) ? address->ip[12] == 127
                                  : memcmp(address->ip, SIX, sizeof SIX) == 0;
}

bool address_is_private(const struct address *address)
{
    const uint8_t *ip = address->ip;
    if (address_is_loopback(address))
        return true;
    if (!address_is_v4(address))
        return (ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
    ip += 12;
    return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
           (ip[0] == 192 && ip[1] == 168) || (ip[0] == 169 && ip[1] == 254) ||
           (ip[0] == 100 && (ip[1] & 0xc0) == 64);
}

struct slice address_ip(const struct address *address)
{
    return address_is_v4(address) ? slice_of(address->ip + 12, 4) : slice_of(address->ip, 16);
}

int address_from_ip(struct slice ip, uint16_t port, struct address *ret_address)
{
    if (ip.len == 4) {
        *ret_address = address_v4(ip.data[0], ip.data[1], ip.data[2], ip.data[3], port);
        return 0;
    }
    if (ip.len != 16)
        return ERR_FORMAT;
    memcpy(ret_address->ip, ip.data, 16);
    ret_address->port = port;
    return 0;
}

bool address_eq(const struct address *a, const struct address *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool path_eq(const struct path *a, const struct path *b)
{
    return address_eq(&a->remote, &b->remote) && address_eq(&a->local, &b->local);
}

struct path path_of_stream(uint64_t number, const struct address *remote)
{
    struct path path = {.remote = *remote};
    memcpy(path.local.ip, STREAM_PREFIX, sizeof STREAM_PREFIX);
    store_u64(path.local.ip + sizeof STREAM_PREFIX, number);
    return path;
}

bool path_is_stream(const struct path *path)
{
    return memcmp(path->local.ip, STREAM_PREFIX, sizeof STREAM_PREFIX) == 0;
}

uint64_t path_stream_number(const struct path *path)
{
    return load_u64(path->local.ip + sizeof STREAM_PREFIX);
}

int address_parse(const char *ip, uint16_t port, struct address *ret_address)
{
    uint8_t bytes[16];
    if (inet_pton(AF_INET, ip, bytes) == 1)
        return address_from_ip(slice_of(bytes, 4), port, ret_address);
    if (inet_pton(AF_INET6, ip, bytes) == 1)
        return address_from_ip(slice_of(bytes, 16), port, ret_address);
    return ERR_FORMAT;
}

void address_format(const struct address *address, char out[ADDRESS_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    bool v4 = address_is_v4(address);
    /* Cannot fail: the family is known and the buffer large enough. */
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, address_ip(address).data, ip, sizeof ip);
    (void)snprintf(out, ADDRESS_TEXT_MAX, v4 ? "%s:%u" : "[%s]:%u", ip, (unsigned)address->port);
}
