/* Writes a web access log in the combined format, the same for the same arguments:
 *
 *   gen-access-log --lines N --seed S --ips K --malformed-every M -o FILE
 *
 * Addresses are skewed as in life (a few ask often), one in eight is IPv6; every M-th line is
 * malformed in one of several ways (0: none). About 200 bytes a line. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES (1u << 20)
#define LINE_MAX_BYTES 1024
#define FIRST_SECOND 1735689600 /* 2025-01-01 00:00:00 UTC */
#define LINES_A_SECOND 40

static const char *const METHODS[] = {"GET", "GET",  "GET",  "GET", "GET",
                                      "GET", "POST", "HEAD", "PUT", "OPTIONS"};
static const char *const PATHS[] = {"/",
                                    "/index.html",
                                    "/favicon.ico",
                                    "/robots.txt",
                                    "/api/v1/items",
                                    "/api/v1/items/search",
                                    "/static/css/site.css",
                                    "/static/js/app.min.js",
                                    "/images/logo.png",
                                    "/login",
                                    "/cart",
                                    "/blog/2024/11/how-we-count-requests",
                                    "/docs/reference/configuration.html",
                                    "/products/list"};
static const char *const PROTOCOLS[] = {"HTTP/1.1", "HTTP/1.1", "HTTP/2.0", "HTTP/1.0"};
static const int STATUSES[] = {200, 200, 200, 200, 200, 200, 304, 301, 404, 403, 500, 206};
static const char *const REFERERS[] = {"-",
                                       "-",
                                       "https://www.example.org/",
                                       "https://www.example.org/products/list?page=2",
                                       "https://search.example.com/?q=access+log",
                                       "https://news.example.net/item?id=40713201"};
static const char *const AGENTS[] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.6 Safari/605.1.15",
    "curl/7.88.1",
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://www.example.com/bot.html)",
    "-",
    "Reader \\\"quoted\\\" 1.0"};
static const char *const USERS[] = {"-", "-", "-", "-", "-", "-", "-", "alice", "bob", "frank"};
static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct options {
    uint64_t lines, seed, ips, malformed_every;
    const char *path;
};

struct writer {
    int fd;
    char *data;
    size_t len;
};

static uint64_t mix(uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ULL;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static uint64_t next(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15ULL;
    return mix(*state);
}

static uint64_t below(uint64_t random, uint64_t n) {
    return (uint64_t)(((__uint128_t)random * n) >> 64);
}

static void put(struct writer *w, const char *s) {
    size_t n = strlen(s);
    memcpy(w->data + w->len, s, n);
    w->len += n;
}

static void put_number(struct writer *w, uint64_t value, int least_digits) {
    char digits[24];
    int n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 || n < least_digits);
    while (n > 0)
        w->data[w->len++] = digits[--n];
}

static bool flush(struct writer *w) {
    size_t at = 0;
    while (at < w->len) {
        ssize_t n = write(w->fd, w->data + at, w->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        at += (size_t)n;
    }
    w->len = 0;
    return true;
}

/* The rank-th address; ranks are drawn so that the chance of rank r falls about as 1/r. */
static void put_address(struct writer *w, const struct options *o, uint64_t *rng) {
    uint64_t rank = below(next(rng), o->ips) + 1;
    unsigned bits = 64 - (unsigned)__builtin_clzll(o->ips);
    rank >>= below(next(rng), bits);
    uint64_t h = mix(o->seed * 1000003 + rank);
    if (h % 8 == 0) {
        static const char HEX[] = "0123456789abcdef";
        put(w, "2001:db8:");
        for (int i = 0; i < 3; i++) {
            for (int k = 0; k < 4; k++)
                w->data[w->len++] = HEX[(h >> (8 + i * 16 + k * 4)) & 15];
            w->data[w->len++] = ':';
        }
        put(w, ":1");
        return;
    }
    put_number(w, 1 + (h >> 8) % 223, 1);
    for (int i = 0; i < 3; i++) {
        w->data[w->len++] = '.';
        put_number(w, (h >> (16 + i * 8)) & 255, 1);
    }
}

/* Civil date of a day since 1970 (proleptic Gregorian calendar, years beginning in March). */
static void put_date(struct writer *w, uint64_t days) {
    uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    uint64_t month = mp < 10 ? mp + 3 : mp - 9;
    put_number(w, doy - (153 * mp + 2) / 5 + 1, 2);
    w->data[w->len++] = '/';
    memcpy(w->data + w->len, MONTHS + 3 * (month - 1), 3);
    w->len += 3;
    w->data[w->len++] = '/';
    put_number(w, yoe + era * 400 + (month <= 2), 4);
}

static void put_time(struct writer *w, uint64_t line) {
    uint64_t second = FIRST_SECOND + line / LINES_A_SECOND, clock = second % 86400;
    put(w, " [");
    put_date(w, second / 86400);
    w->data[w->len++] = ':';
    put_number(w, clock / 3600, 2);
    w->data[w->len++] = ':';
    put_number(w, clock / 60 % 60, 2);
    w->data[w->len++] = ':';
    put_number(w, clock % 60, 2);
    put(w, " +0000] ");
}

static void put_request(struct writer *w, uint64_t r) {
    w->data[w->len++] = '"';
    put(w, METHODS[r % COUNT(METHODS)]);
    w->data[w->len++] = ' ';
    put(w, PATHS[(r >> 8) % COUNT(PATHS)]);
    if ((r >> 16) % 4 == 0) {
        put(w, "?id=");
        put_number(w, (r >> 20) % 1000000, 1);
    }
    w->data[w->len++] = ' ';
    put(w, PROTOCOLS[(r >> 40) % COUNT(PROTOCOLS)]);
    put(w, "\" ");
}

static void put_line(struct writer *w, const struct options *o, uint64_t line, uint64_t *rng) {
    uint64_t r = next(rng), q = next(rng);
    put_address(w, o, rng);
    put(w, " - ");
    put(w, USERS[q % COUNT(USERS)]);
    put_time(w, line);
    put_request(w, r);
    int status = STATUSES[(q >> 8) % COUNT(STATUSES)];
    put_number(w, (uint64_t)status, 3);
    w->data[w->len++] = ' ';
    if (status == 304)
        w->data[w->len++] = '-';
    else
        put_number(w, (q >> 16) % ((q >> 60) == 0 ? 5000000 : 40000), 1);
    put(w, " \"");
    put(w, REFERERS[(q >> 40) % COUNT(REFERERS)]);
    put(w, "\" \"");
    put(w, AGENTS[(r >> 48) % COUNT(AGENTS)]);
    put(w, "\"\n");
}

/* What goes wrong in real logs. */
static void put_malformed(struct writer *w, const struct options *o, uint64_t line, uint64_t *rng) {
    size_t begin = w->len;
    switch (next(rng) % 5) {
    case 0: /* cut off */
        put_line(w, o, line, rng);
        w->len = begin + (w->len - begin) / 2;
        w->data[w->len++] = '\n';
        return;
    case 1: /* no time */
        put_address(w, o, rng);
        put(w, " - - [-] \"GET / HTTP/1.1\" 200 17 \"-\" \"-\"\n");
        return;
    case 2: /* of another program */
        put(w, "AH00558: apache2: Could not reliably determine the server's name\n");
        return;
    case 3: /* two writers in one line */
        put_line(w, o, line, rng);
        w->len -= 9;
        put_line(w, o, line, rng);
        return;
    default: /* bytes of another protocol */
        put(w, "\x16\x03\x01\x02 \xff\xfe\n");
        return;
    }
}

static int generate(const struct options *o, struct writer *w) {
    uint64_t rng = mix(o->seed ^ 0xe1de5ULL);
    for (uint64_t i = 1; i <= o->lines; i++) {
        if (o->malformed_every > 0 && i % o->malformed_every == 0)
            put_malformed(w, o, i, &rng);
        else
            put_line(w, o, i, &rng);
        if (w->len > BUFFER_BYTES - 2 * LINE_MAX_BYTES && !flush(w))
            return -1;
    }
    return flush(w) ? 0 : -1;
}

static bool number(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    *out = value;
    return errno == 0 && *end == '\0' && text[0] >= '0' && text[0] <= '9';
}

static bool read_options(int argc, char **argv, struct options *o) {
    static const struct option LONG[] = {{"lines", required_argument, NULL, 'n'},
                                         {"seed", required_argument, NULL, 's'},
                                         {"ips", required_argument, NULL, 'k'},
                                         {"malformed-every", required_argument, NULL, 'm'},
                                         {NULL, 0, NULL, 0}};
    bool good = true;
    int c;
    while ((c = getopt_long(argc, argv, "n:s:k:m:o:", LONG, NULL)) != -1) {
        if (c == 'n')
            good = good && number(optarg, &o->lines);
        else if (c == 's')
            good = good && number(optarg, &o->seed);
        else if (c == 'k')
            good = good && number(optarg, &o->ips) && o->ips > 0;
        else if (c == 'm')
            good = good && number(optarg, &o->malformed_every);
        else if (c == 'o')
            o->path = optarg;
        else
            good = false;
    }
    return good && o->path != NULL && optind == argc;
}

int main(int argc, char **argv) {
    struct options o = {1000000, 1, 100000, 100000, NULL};
    if (!read_options(argc, argv, &o)) {
        (void)fprintf(stderr, "usage: gen-access-log [--lines N] [--seed S] [--ips K] "
                              "[--malformed-every M] -o FILE\n");
        return 2;
    }
    struct writer w = {open(o.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), NULL, 0};
    w.data = malloc(BUFFER_BYTES);
    int rc = w.fd < 0 || w.data == NULL ? -1 : generate(&o, &w);
    if (rc != 0 || close(w.fd) != 0) {
        (void)fprintf(stderr, "gen-access-log: cannot write %s: %s\n", o.path, strerror(errno));
        rc = -1;
    }
    free(w.data);
    return rc == 0 ? 0 : 1;
}
