/* The CSV cutter against a walk byte by byte. Input: positions from its first bytes, then the file.
 */
#include "base/mem.h"
#include "text/csv_cut.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Marks each start of a record behind the first; false if a quote is ambiguous. */
static bool walk(const struct ei_csv_dialect *d, const char *text, size_t len, bool *starts) {
    bool quoted = false;
    size_t begin = len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (size_t i = begin; i < len; i++) {
        char c = text[i], before = i > begin ? text[i - 1] : '\n',
             after = i + 1 < len ? text[i + 1] : '\n';
        if (d->quote == 0 || c != d->quote) {
            if (c == '\n' && !quoted)
                starts[i + 1] = true;
        } else if (!quoted) {
            if (before != d->delimiter && before != '\n' && before != '\r')
                return false;
            quoted = true;
        } else if (after == d->delimiter || after == '\n' || after == '\r') {
            quoted = false;
        } else if (after == d->quote && d->double_quote && i + 1 < len) {
            i++;
        } else {
            return false;
        }
    }
    return !quoted;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3)
        return 0;
    struct ei_csv_dialect d = {data[0] & 1 ? ',' : ';', data[0] & 2 ? '"' : 0, data[0] & 4};
    size_t len = size - 3, positions[2] = {1, 1}, cuts[2];
    char *text = ei_malloc(len + 1); /* exact, so that reading behind it is seen */
    memcpy(text, data + 3, len);
    positions[0] += EI_MIN(data[1], data[2]);
    positions[1] += EI_MAX(data[1], data[2]);
    bool *starts = ei_calloc(len + 2, sizeof *starts);
    bool clear = walk(&d, text, len, starts);
    const char *why = ei_csv_cut(&d, text, len, positions, 2, cuts);
    EI_ASSERT(clear == (why == NULL));
    for (size_t i = 0; clear && i < 2; i++) {
        size_t wanted = EI_MIN(positions[i], len);
        while (wanted < len && !starts[wanted])
            wanted++;
        EI_ASSERT(cuts[i] == wanted);
    }
    free(starts);
    free(text);
    return 0;
}
