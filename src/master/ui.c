/* The files of web/, which are part of the executable (tools/embed.py). */
#include "master/internal.h"

#include "master/ui_files.h"

#include <string.h>

void ei_rest_ui(struct ei_http_request *r, void *data) {
    const char *path = ei_http_path(r);
    const char *name = strcmp(path, "/") == 0          ? "index.html"
                       : strncmp(path, "/ui/", 4) == 0 ? path + 4
                                                       : "";
    for (size_t i = 0; i < ei_ui_file_count; i++) {
        if (strcmp(ei_ui_files[i].name, name) == 0) {
            ei_http_respond(r, 200, ei_ui_files[i].content_type, ei_ui_files[i].data,
                            ei_ui_files[i].size_bytes);
            return;
        }
    }
    struct ei_error e = {0};
    (void)ei_fail(&e, EI_NOT_FOUND, "there is no page %.200s", path);
    ei_http_respond_error(r, &e);
}
