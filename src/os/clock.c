#include "os/os.h"

#include "base/mem.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

int64_t ei_now_us(void) {
    struct timespec ts;
    EI_ASSERT(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t ei_unix_ms(void) {
    struct timespec ts;
    EI_ASSERT(clock_gettime(CLOCK_REALTIME, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t ei_random_u64(void) {
    uint64_t value = 0;
    ssize_t n;
    do {
        n = getrandom(&value, sizeof value, 0);
    } while (n < 0 && errno == EINTR);
    EI_ASSERT(n == (ssize_t)sizeof value);
    return value;
}
