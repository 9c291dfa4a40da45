#include "text/csv_cut.h"

#include <string.h>

struct walk {
    const struct ei_csv_dialect *dialect;
    const char *data;
    size_t len;
    const size_t *positions;
    size_t count, next; /* positions[next] is the first without a cut */
    size_t *cuts;
};

/* data[begin, end) lies outside quotes: places the cuts whose record starts here. */
static void cut_unquoted(struct walk *w, size_t begin, size_t end) {
    while (w->next < w->count) {
        size_t from = w->positions[w->next] - 1;
        if (from < begin)
            from = begin;
        if (from >= end)
            return;
        const char *p = memchr(w->data + from, '\n', end - from);
        if (p == NULL)
            return;
        w->cuts[w->next++] = (size_t)(p - w->data) + 1;
    }
}

static bool is_field_edge(const struct walk *w, char c) {
    return c == w->dialect->delimiter || c == '\n' || c == '\r';
}

/* `open` is the opening quote. Returns the position behind the closing one, 0 with *why if it is
 * not clear where that is. */
static size_t skip_quoted(const struct walk *w, size_t open, const char **why) {
    size_t at = open + 1;
    for (;;) {
        const char *p = at < w->len ? memchr(w->data + at, w->dialect->quote, w->len - at) : NULL;
        if (p == NULL) {
            *why = "a quoted field has no end";
            return 0;
        }
        at = (size_t)(p - w->data) + 1;
        if (at == w->len || is_field_edge(w, w->data[at]))
            return at;
        if (w->data[at] != w->dialect->quote || !w->dialect->double_quote) {
            *why = "a quote stands in the middle of a field";
            return 0;
        }
        at++;
    }
}

const char *ei_csv_cut(const struct ei_csv_dialect *dialect, const char *data, size_t len,
                       const size_t *positions, size_t count, size_t *cuts) {
    struct walk w = {dialect, data, len, positions, count, 0, cuts};
    const char *why = NULL;
    size_t start = len >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    size_t at = start;
    while (at < len) {
        const char *p = dialect->quote != 0 ? memchr(data + at, dialect->quote, len - at) : NULL;
        size_t quote = p != NULL ? (size_t)(p - data) : len;
        cut_unquoted(&w, at, quote);
        if (quote == len)
            break;
        if (quote > start && !is_field_edge(&w, data[quote - 1]))
            return "a quote stands in the middle of a field";
        at = skip_quoted(&w, quote, &why);
        if (at == 0)
            return why;
    }
    while (w.next < count)
        cuts[w.next++] = len;
    return NULL;
}

size_t ei_line_cut(const char *data, size_t len, size_t position) {
    if (position > len)
        return len;
    const char *p = memchr(data + position - 1, '\n', len - (position - 1));
    return p != NULL ? (size_t)(p - data) + 1 : len;
}
