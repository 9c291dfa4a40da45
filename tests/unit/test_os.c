#include "os/os.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];

static char *in_dir(const char *name) {
    return ei_path_join(dir, name);
}

static int make_dir(void **state) {
    memcpy(dir, "/tmp/ei-test-os-XXXXXX", sizeof "/tmp/ei-test-os-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int drop_dir(void **state) {
    return ei_remove_tree(dir, NULL);
}

static void test_clock(void **state) {
    int64_t a = ei_now_us(), b = ei_now_us();
    assert_true(b >= a);
    assert_true(ei_unix_ms() > 1600000000000LL);
    assert_true(ei_random_u64() != ei_random_u64());
}

static void test_files(void **state) {
    struct ei_error e = {0};
    char *path = in_dir("a/b/c/file");
    char *parent = in_dir("a/b/c");
    assert_int_equal(ei_mkdirs(parent, 0700, &e), 0);
    assert_int_equal(ei_mkdirs(parent, 0700, &e), 0);
    assert_int_equal(ei_write_file_atomic(path, 0600, "hello", 5, &e), 0);
    assert_int_equal(ei_write_file_atomic(path, 0640, "world!", 6, &e), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    struct ei_buf b = {0};
    assert_int_equal(ei_read_file(path, 6, &b, &e), 0);
    assert_string_equal(b.data, "world!");
    assert_int_equal(ei_read_file(path, 5, &b, &e), -1);
    assert_int_equal(e.code, EI_LIMIT);
    assert_int_equal(b.len, 6);
    assert_int_equal(ei_mkdirs(path, 0700, &e), -1);
    assert_int_equal(ei_tree_bytes(dir), 6);
    assert_int_equal(ei_read_file("/nonexistent/x", 10, &b, &e), -1);
    assert_int_equal(e.code, EI_NOT_FOUND);
    assert_true(ei_disk_free_bytes(dir) > 0);
    ei_buf_release(&b);
    free(parent);
    free(path);
}

static void test_remove_follows_no_link(void **state) {
    struct ei_error e;
    char *outside = in_dir("outside"), *kept = in_dir("outside/kept"), *tree = in_dir("tree"),
         *link = in_dir("tree/link");
    assert_int_equal(ei_mkdirs(outside, 0700, &e), 0);
    assert_int_equal(ei_mkdirs(tree, 0700, &e), 0);
    assert_int_equal(ei_write_file_atomic(kept, 0600, "x", 1, &e), 0);
    assert_int_equal(symlink(outside, link), 0);
    assert_int_equal(ei_tree_bytes(tree), 0);
    assert_int_equal(ei_remove_tree(tree, &e), 0);
    assert_int_equal(access(tree, F_OK), -1);
    assert_int_equal(access(kept, F_OK), 0);
    assert_int_equal(ei_remove_tree(tree, &e), 0);
    free(outside);
    free(kept);
    free(tree);
    free(link);
}

static void test_paths(void **state) {
    static const char *const cases[][3] = {
        {"a", "/x", "/x/a"},          {"../a", "/x/y", "/x/a"}, {"/a/./b//c/", "/x", "/a/b/c"},
        {"/../..", "/x", "/"},        {".", "/x/y/", "/x/y"},   {"a/../../../b", "/x", "/b"},
        {"..a/.b", "/x", "/x/..a/.b"}};
    for (size_t i = 0; i < EI_ARRAY_LEN(cases); i++) {
        char *p = ei_path_absolute(cases[i][0], cases[i][1]);
        assert_string_equal(p, cases[i][2]);
        free(p);
    }
    char *j = ei_path_join("a/", "b"), *k = ei_path_join("a", "/b"), *l = ei_path_join("a", "b");
    assert_string_equal(j, "a/b");
    assert_string_equal(k, "/b");
    assert_string_equal(l, "a/b");
    free(j);
    free(k);
    free(l);
}

static void test_lock(void **state) {
    struct ei_error e;
    char *path = in_dir("lock");
    int fd, other;
    assert_int_equal(ei_lock_file(path, &fd, &e), 0);
    assert_int_equal(ei_lock_file(path, &other, &e), -1);
    assert_int_equal(e.code, EI_EXISTS);
    close(fd);
    assert_int_equal(ei_lock_file(path, &other, &e), 0);
    close(other);
    free(path);
}

static void test_machine(void **state) {
    assert_true(strlen(ei_host_id()) > 10);
    assert_ptr_equal(ei_host_id(), ei_host_id());
    assert_true(ei_cpu_count() >= 1);
    assert_true(ei_memory_total_bytes() > 1 << 20);
    assert_true(ei_rss_bytes(0) > 1 << 16);
    assert_int_equal(ei_rss_bytes(999999999), 0);
    assert_true(ei_process_start_ticks(getpid()) > 0);
    assert_true(ei_process_start_ticks(getpid()) == ei_process_start_ticks(getpid()));
    assert_int_equal(ei_process_start_ticks(999999999), 0);
}

static int exit_code(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_spawn(void **state) {
    struct ei_error e;
    char *log = in_dir("log");
    int pipe_fd[2], leaked = open("/dev/null", O_RDONLY);
    assert_int_equal(pipe(pipe_fd), 0);
    /* The child sees descriptors 0-3 only and writes to both of its outputs. */
    const char *const argv[] = {"sh", "-c",
                                "echo out; echo err >&2; echo hi >&3; "
                                "for f in 5 6 7 8 9; do (true <&$f) 2>/dev/null && exit 9; done; "
                                "trap '' PIPE; exit 7",
                                NULL};
    struct ei_spawn s = {.path = "/bin/sh",
                         .argv = argv,
                         .log_path = log,
                         .pass_fd = pipe_fd[1],
                         .own_session = true,
                         .oom_score_adj = 500,
                         .data_limit_bytes = 1 << 30};
    signal(SIGPIPE, SIG_IGN);
    pid_t pid = ei_spawn(&s, &e);
    assert_true(pid > 0);
    close(pipe_fd[1]);
    char text[8] = "";
    assert_int_equal(read(pipe_fd[0], text, sizeof text), 3);
    assert_memory_equal(text, "hi\n", 3);
    assert_int_equal(read(pipe_fd[0], text, sizeof text), 0);
    assert_int_equal(exit_code(pid), 7);
    struct ei_buf b = {0};
    assert_int_equal(ei_read_file(log, 1000, &b, &e), 0);
    assert_string_equal(b.data, "out\nerr\n");
    ei_buf_release(&b);
    close(pipe_fd[0]);
    close(leaked);
    free(log);
}

static void test_spawn_failures(void **state) {
    struct ei_error e = {0};
    const char *const argv[] = {"x", NULL};
    struct ei_spawn s = {.path = "/nonexistent/program", .argv = argv, .pass_fd = -1};
    assert_int_equal(ei_spawn(&s, &e), -1);
    assert_non_null(strstr(e.text, "/nonexistent/program"));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie left */
    assert_int_equal(errno, ECHILD);
    s.log_path = "/nonexistent/log";
    assert_int_equal(ei_spawn(&s, &e), -1);
}

static void test_zombie_has_no_start(void **state) {
    struct ei_error e;
    const char *const argv[] = {"sleep", "100", NULL};
    struct ei_spawn s = {
        .path = "/bin/sleep", .argv = argv, .pass_fd = -1, .die_with_parent = true};
    pid_t pid = ei_spawn(&s, &e);
    assert_true(pid > 0);
    assert_true(ei_process_start_ticks(pid) > 0);
    kill(pid, SIGKILL);
    for (int i = 0; i < 500 && ei_process_start_ticks(pid) != 0; i++)
        usleep(10000);
    assert_int_equal(ei_process_start_ticks(pid), 0);
    assert_int_equal(exit_code(pid), -SIGKILL);
}

static void test_log_is_one_line(void **state) {
    char *path = in_dir("stderr");
    int saved = dup(2), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(fd, 2);
    ei_log_setup("test", EI_LOG_INFO, false);
    ei_log(EI_LOG_DEBUG, "not shown");
    ei_log(EI_LOG_WARN, "two\nlines \x1b[31m %d", 7);
    ei_log_setup("test", EI_LOG_INFO, true);
    ei_log(EI_LOG_ERROR, "a \"quote\"\n");
    dup2(saved, 2);
    close(saved);
    close(fd);
    struct ei_buf b = {0};
    assert_int_equal(ei_read_file(path, 10000, &b, NULL), 0);
    assert_null(strstr(b.data, "not shown"));
    assert_non_null(strstr(b.data, "warn  test: two\\x0alines \\x1b[31m 7\n{\"time\":\""));
    assert_non_null(strstr(b.data, "\"message\":\"a \\\"quote\\\"\\n\"}\n"));
    ei_buf_release(&b);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_remove_follows_no_link),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_machine),
        cmocka_unit_test(test_spawn),
        cmocka_unit_test(test_spawn_failures),
        cmocka_unit_test(test_zombie_has_no_start),
        cmocka_unit_test(test_log_is_one_line),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
