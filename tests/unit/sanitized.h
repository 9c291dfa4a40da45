/* Is this test built with a sanitizer? gcc and clang say it in different words. Figures of time and
 * memory are not asserted then. */
#ifndef EIDER_TESTS_UNIT_SANITIZED_H
#define EIDER_TESTS_UNIT_SANITIZED_H

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) ||                           \
    defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#endif
