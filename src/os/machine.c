#include "os/os.h"

#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char host_id[128];
static pthread_once_t host_id_once = PTHREAD_ONCE_INIT;

static void find_host_id(void) {
    struct ei_buf boot = {0};
    char ns[64];
    if (ei_read_file("/proc/sys/kernel/random/boot_id", 4096, &boot, NULL) != 0)
        /* Unknown: equal to nobody, so that everything travels over the network. */
        ei_buf_printf(&boot, "%016llx", (unsigned long long)ei_random_u64());
    ssize_t n = readlink("/proc/self/ns/mnt", ns, sizeof ns - 1);
    ns[n < 0 ? 0 : n] = '\0';
    (void)snprintf(host_id, sizeof host_id, "%.*s/%s", (int)strcspn(boot.data, "\n"), boot.data,
                   ns);
    ei_buf_release(&boot);
}

const char *ei_host_id(void) {
    (void)pthread_once(&host_id_once, find_host_id);
    return host_id;
}

int ei_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

/* A number in a file of the cgroup tree; UINT64_MAX for "max" or no file. */
static uint64_t limit_in(const char *dir, const char *path, const char *file) {
    char *name = ei_asprintf("%s%s/%s", dir, path, file);
    struct ei_buf text = {0};
    uint64_t value = UINT64_MAX;
    if (ei_read_file(name, 4096, &text, NULL) == 0 && text.len > 0 && text.data[0] >= '0' &&
        text.data[0] <= '9')
        value = strtoull(text.data, NULL, 10);
    free(name);
    ei_buf_release(&text);
    return value;
}

/* The tightest limit from this process's group up to the root. */
static uint64_t limit_upwards(const char *dir, const char *group, const char *file) {
    char *path = ei_strdup(strcmp(group, "/") == 0 ? "" : group);
    uint64_t least = UINT64_MAX;
    for (;;) {
        uint64_t here = limit_in(dir, path, file);
        least = EI_MIN(least, here);
        char *slash = strrchr(path, '/');
        if (slash == NULL)
            break;
        *slash = '\0';
    }
    free(path);
    return least;
}

static uint64_t cgroup_memory_limit(void) {
    struct ei_buf groups = {0};
    uint64_t least = UINT64_MAX;
    if (ei_read_file("/proc/self/cgroup", 65536, &groups, NULL) != 0)
        return least;
    char *rest = groups.data;
    for (char *line; rest != NULL && (line = strsep(&rest, "\n")) != NULL;) {
        char *colon = strchr(line, ':');
        char *path = colon == NULL ? NULL : strchr(colon + 1, ':');
        if (path == NULL)
            continue;
        *path++ = '\0';
        uint64_t limit = UINT64_MAX;
        if (colon[1] == '\0')
            limit = limit_upwards("/sys/fs/cgroup", path, "memory.max");
        else if (strcmp(colon + 1, "memory") == 0)
            limit = limit_upwards("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
        least = EI_MIN(least, limit);
    }
    ei_buf_release(&groups);
    return least;
}

uint64_t ei_memory_total_bytes(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    uint64_t ram = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
    uint64_t limit = cgroup_memory_limit();
    return EI_MIN(ram, limit);
}

/* The first line of /proc/PID/FILE; 0 or -1. */
static int read_proc(pid_t pid, const char *file, struct ei_buf *out) {
    char path[64];
    if (pid == 0)
        (void)snprintf(path, sizeof path, "/proc/self/%s", file);
    else
        (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    return ei_read_file(path, 65536, out, NULL) == 0 && out->len > 0 ? 0 : -1;
}

uint64_t ei_rss_bytes(pid_t pid) {
    struct ei_buf text = {0};
    unsigned long long resident = 0;
    if (read_proc(pid, "statm", &text) != 0 || sscanf(text.data, "%*u %llu", &resident) != 1)
        resident = 0;
    ei_buf_release(&text);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t ei_process_start_ticks(pid_t pid) {
    struct ei_buf text = {0};
    unsigned long long start = 0;
    if (read_proc(pid, "stat", &text) == 0) {
        /* The name in parentheses may hold anything: fields are counted from its last ')'. */
        const char *p = strrchr(text.data, ')');
        char state = 'X';
        if (p == NULL ||
            sscanf(p + 1,
                   " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
                   "%llu",
                   &state, &start) != 2 ||
            state == 'Z' || state == 'X') /* dead, only not waited for */
            start = 0;
    }
    ei_buf_release(&text);
    return start;
}

uint64_t ei_process_cpu_us(pid_t pid) {
    struct rusage own;
    struct ei_buf text = {0};
    unsigned long long user = 0, system = 0;
    if (pid == 0 && getrusage(RUSAGE_SELF, &own) == 0)
        return (uint64_t)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1000000u +
               (uint64_t)(own.ru_utime.tv_usec + own.ru_stime.tv_usec);
    const char *p = read_proc(pid, "stat", &text) == 0 ? strrchr(text.data, ')') : NULL;
    if (p == NULL || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
                            &system) != 2)
        user = system = 0;
    ei_buf_release(&text);
    return (user + system) * 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
}

uint64_t ei_memory_available_bytes(void) {
    struct ei_buf text = {0};
    uint64_t bytes = ei_memory_total_bytes();
    if (ei_read_file("/proc/meminfo", 1u << 20, &text, NULL) == 0 && text.data != NULL) {
        const char *line = strstr(text.data, "MemAvailable:");
        if (line != NULL)
            bytes = strtoull(line + strlen("MemAvailable:"), NULL, 10) * 1024;
    }
    ei_buf_release(&text);
    return bytes;
}
