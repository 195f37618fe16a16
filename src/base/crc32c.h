/* CRC-32C (Castagnoli polynomial, RFC 3720 section 12.1, reflected, as in iSCSI and ext4). */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include "base/slice.h"

/* The checksum of `data` appended to bytes whose checksum is `crc`; 0 for the beginning. */
uint32_t crc32c(uint32_t crc, struct slice data);

#endif
