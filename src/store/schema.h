/* The tables, by version. A database only goes forward: each step is a transaction, and a database
 * from a newer program is refused rather than guessed at. Times are milliseconds since 1970 (wall),
 * ids are text, truth values 0 and 1. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "store/sql.h"

/* The version this program knows. */
int64_t schema_version_known(void);
/* The version found; 0 for an empty database. */
int schema_version(struct sql *sql, int64_t *ret_version) MUST_USE;
/* Brings the database to schema_version_known. ERR_UNSUPPORTED: it is newer. */
int schema_migrate(struct sql *sql) MUST_USE;

#endif
