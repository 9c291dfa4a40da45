/* What a process needs to start is not what it needs to run: half of an idle worker's resident
 * memory was code of libcrypto that had read certificates. Such pages are clean; what is needed
 * again is mapped again from the page cache, 64 KiB at a time. */
#include "os/os.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

static int drop_code(struct dl_phdr_info *info, size_t size, void *data) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || (p->p_flags & PF_W) != 0)
            continue; /* written segments hold data; the others are as they are in the file */
        uintptr_t begin = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
        uintptr_t end = (info->dlpi_addr + p->p_vaddr + p->p_memsz) & ~(page - 1);
        if (end > begin)
            madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

void ei_drop_idle_memory(void) {
    malloc_trim(0);
    dl_iterate_phdr(drop_code, NULL);
}
