#include "programs/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;
    struct buf complaint;
    buf_init(&complaint, 4096);
    if (config_new(&config) < 0)
        return 0;
    int err = config_parse(config, slice_of(data, size), &complaint);
    if ((err == ERR_FORMAT) != (complaint.len > 0))
        __builtin_trap();
    if (!err)
        json_decref(config_settings(config, "signal"));
    config_free(&config);
    buf_done(&complaint);
    return 0;
}
