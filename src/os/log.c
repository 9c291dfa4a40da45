#include "os/os.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
    char component[64];
    enum ei_log_level least;
    bool json;
} settings = {.component = "eider", .least = EI_LOG_INFO};

static const char *const LEVELS[] = {"debug", "info", "warn", "error"};

void ei_log_setup(const char *component, enum ei_log_level least, bool json) {
    (void)snprintf(settings.component, sizeof settings.component, "%s", component);
    settings.least = least;
    settings.json = json;
}

static void put_time(struct ei_buf *line) {
    int64_t ms = ei_unix_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    char text[32];
    if (gmtime_r(&seconds, &tm) == NULL || strftime(text, sizeof text, "%FT%T", &tm) == 0)
        text[0] = '\0';
    ei_buf_printf(line, "%s.%03dZ", text, (int)(ms % 1000));
}

void ei_log(enum ei_log_level level, const char *fmt, ...) {
    if (level < settings.least)
        return;
    int saved = errno;
    struct ei_buf text = {0}, line = {0};
    va_list ap;
    va_start(ap, fmt);
    ei_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    if (settings.json) {
        ei_buf_puts(&line, "{\"time\":\"");
        put_time(&line);
        ei_buf_printf(&line, "\",\"level\":\"%s\",\"component\":\"%s\",\"pid\":%d,\"message\":",
                      LEVELS[level], settings.component, (int)getpid());
        ei_buf_json_string(&line, text.data == NULL ? "" : text.data, text.len);
        ei_buf_putc(&line, '}');
    } else {
        put_time(&line);
        ei_buf_printf(&line, " %-5s %s: ", LEVELS[level], settings.component);
        /* A line stays one line, and a terminal gets no escape sequences from user data. */
        for (size_t i = 0; i < text.len; i++) {
            unsigned char c = (unsigned char)text.data[i];
            if (c < 0x20 || c == 0x7f)
                ei_buf_printf(&line, "\\x%02x", c);
            else
                ei_buf_putc(&line, (char)c);
        }
    }
    ei_buf_putc(&line, '\n');
    /* One write, so that lines of several processes do not mix; nothing helps if it fails. */
    ssize_t n = write(STDERR_FILENO, line.data, line.len);
    (void)n;
    ei_buf_release(&text);
    ei_buf_release(&line);
    errno = saved;
}

void ei_log_rotate(uint64_t max_bytes) {
    char path[4096], old[4100];
    struct stat st, named;
    if (fstat(STDERR_FILENO, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size <= max_bytes)
        return;
    ssize_t n = readlink("/proc/self/fd/2", path, sizeof path - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    (void)snprintf(old, sizeof old, "%s.1", path);
    bool ours = lstat(path, &named) == 0 && named.st_ino == st.st_ino && named.st_dev == st.st_dev;
    if (!ours || rename(path, old) != 0)
        return;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    (void)dup2(fd, STDERR_FILENO);
    (void)close(fd);
}
