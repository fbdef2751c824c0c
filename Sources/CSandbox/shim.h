/* Landlock and seccomp, which have no functions in the C library: system calls with structures of their own.
   Each function returns what the call does, or minus errno. The structures are those of the newest kernel that is known
   here, told with the length that the running one knows: headers of the system may be older than its kernel.
   Source: the kernel's Documentation/userspace-api/landlock.rst and seccomp_filter.rst. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* fcntl.h keeps it to itself without _GNU_SOURCE. */
#ifndef O_PATH
#define O_PATH 010000000
#endif

static inline long apus_call_result(long result) { return result < 0 ? -errno : result; }

/* What a set of rules forbids unless a rule allows it. */
struct apus_landlock_ruleset {
    uint64_t files;
    /* From version 4 on. */
    uint64_t network;
    /* From version 6 on. */
    uint64_t scopes;
};

/* The version of Landlock that the kernel has. */
static inline long apus_landlock_version(void) {
    return apus_call_result(syscall(444, (void *)0, 0, 1));
}

/* A descriptor of a new set of rules. */
static inline long apus_landlock_create(const struct apus_landlock_ruleset *rules, size_t length) {
    return apus_call_result(syscall(444, rules, length, 0));
}

/* Allows `access` to what `path` names now, and to all below it. */
static inline long apus_landlock_allow_path(int ruleset, const char *path, uint64_t access) {
    struct {
        uint64_t access;
        int32_t descriptor;
    } __attribute__((packed)) rule = {access, open(path, O_PATH | O_CLOEXEC)};
    if (rule.descriptor < 0) return -errno;
    long result = apus_call_result(syscall(445, ruleset, 1, &rule, 0));
    close(rule.descriptor);
    return result;
}

/* Allows `access` to a TCP port; 0 stands for those that the system chooses. */
static inline long apus_landlock_allow_port(int ruleset, uint64_t access, uint64_t port) {
    struct {
        uint64_t access;
        uint64_t port;
    } rule = {access, port};
    return apus_call_result(syscall(445, ruleset, 2, &rule, 0));
}

/* The calling thread, and those it makes, keep to the rules from now on. */
static inline long apus_landlock_restrict(int ruleset) { return apus_call_result(syscall(446, ruleset, 0)); }

/* The calling thread, and those it makes, gain nothing by executing a file. */
static inline long apus_gain_no_privileges(void) { return apus_call_result(prctl(38, 1, 0, 0, 0)); }

/* All threads of the process have their system calls looked at by the filter, without the slower speculation that
   kernels before 5.16 take filters for a reason for. Above 0 it is the number of a thread that could not be had. */
static inline long apus_filter_calls(const struct sock_filter *filter, unsigned short length) {
    struct sock_fprog program = {length, (struct sock_filter *)filter};
    return apus_call_result(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                    SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program));
}
