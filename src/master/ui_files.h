/* What tools/embed.py makes of web/. */
#ifndef EIDER_MASTER_UI_FILES_H
#define EIDER_MASTER_UI_FILES_H

#include <stddef.h>

struct ei_ui_file {
    const char *name;
    const char *content_type;
    const unsigned char *data;
    size_t size_bytes;
};
extern const struct ei_ui_file ei_ui_files[];
extern const size_t ei_ui_file_count;

#endif
