#include "os/witness.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct witness {
    struct witness_entry *page;
};

int witness_create(int *ret_fd)
{
    int fd = memfd_create("darasa-witness", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return ERR_IO;
    if (ftruncate(fd, sizeof(struct witness_entry)) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        close(fd);
        return ERR_IO;
    }
    *ret_fd = fd;
    return 0;
}

int witness_map(int fd, struct witness **ret_witness)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size != (off_t)sizeof(struct witness_entry))
        return ERR_FORMAT;
    struct witness *witness = calloc(1, sizeof *witness);
    if (!witness)
        return ERR_MEMORY;
    void *at = mmap(NULL, sizeof *witness->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        free(witness);
        return ERR_IO;
    }
    witness->page = at;
    *ret_witness = witness;
    return 0;
}

void witness_unmap(struct witness **witness)
{
    if (!*witness)
        return;
    (void)munmap((*witness)->page, sizeof *(*witness)->page); /* only fails for a wrong address */
    free(*witness);
    *witness = NULL;
}

/* Only this process's own order counts: the reader comes when it is dead. */
static void keep_order(void)
{
    atomic_signal_fence(memory_order_seq_cst);
}

void witness_note(struct witness *witness, const struct witness_entry *entry)
{
    if (!witness)
        return;
    *witness->page = *entry;
    keep_order();
}

void witness_clear(struct witness *witness)
{
    if (!witness)
        return;
    keep_order();
    witness->page->who[0] = 0;
    keep_order();
}

bool witness_read(int fd, struct witness_entry *ret_entry)
{
    struct witness_entry entry;
    if (pread(fd, &entry, sizeof entry, 0) != (ssize_t)sizeof entry || !entry.who[0] ||
        !memchr(entry.where, 0, sizeof entry.where) || !memchr(entry.who, 0, sizeof entry.who))
        return false;
    *ret_entry = entry;
    return true;
}
