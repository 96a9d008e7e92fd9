/* Count the calls of a process that change or read files, and let one of them fail or kill the process.
 *
 * Loaded with LD_PRELOAD. Nothing happens before `faults_arm`. A call counts if its kind is one of `kinds` and its file
 * lies below one of `under` (separated by colons). The call number `at`, and with `on` every later one, fails with the
 * error `code`; with the code 0, the process is killed before the call. Each counted call is written to `log`. With
 * `copies`, calls of the process's copies count, which share one counter, and its own do not.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long *count;
static long at;
static int on, code, armed, copies;
static pid_t owner;
static char kinds[512], under[2 * PATH_MAX], log_path[PATH_MAX];

void faults_arm(long at_, int on_, int code_, const char *kinds_, const char *under_, const char *log_, int copies_)
{
    snprintf(kinds, sizeof kinds, ",%s,", kinds_);
    snprintf(under, sizeof under, "%s", under_);
    snprintf(log_path, sizeof log_path, "%s", log_);
    at = at_, on = on_, code = code_, owner = getpid(), copies = copies_;
    count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    armed = 1;
}

static int below(const char *path)
{
    for (const char *p = under; *p;) {
        size_t n = strcspn(p, ":");
        if (n && !strncmp(path, p, n) && (path[n] == '/' || !path[n] || path[n] == ' '))
            return 1;
        p += n + (p[n] == ':');
    }
    return 0;
}

static int hit(const char *kind, const char *path)
{
    char word[32];
    snprintf(word, sizeof word, ",%s,", kind);
    if ((getpid() == owner) == copies || !strstr(kinds, word) || !below(path))
        return 0;
    long n = atomic_fetch_add(count, 1) + 1;
    if (*log_path) { /* not a descriptor: a copy may close all */
        int fd = syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_APPEND | O_CLOEXEC);
        dprintf(fd, "%ld %s %s\n", n, kind, path);
        syscall(SYS_close, fd);
    }
    if (n != at && !(on && at && n > at))
        return 0;
    if (!code) {
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
    errno = code;
    return 1;
}

static void of_fd(int fd, char *path)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t n = syscall(SYS_readlink, name, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = 0;
}

static int fails_at(const char *kind, int directory, const char *name)
{
    char path[2 * PATH_MAX + 2];
    int saved = errno;
    if (!armed)
        return 0;
    if (name[0] == '/')
        snprintf(path, sizeof path, "%s", name);
    else {
        if (directory == AT_FDCWD) {
            if (!getcwd(path, PATH_MAX))
                path[0] = 0;
        } else
            of_fd(directory, path);
        size_t n = strlen(path);
        snprintf(path + n, sizeof path - n, "/%s", name);
    }
    if (hit(kind, path))
        return 1;
    errno = saved;
    return 0;
}

static int fails_fd(const char *kind, int fd)
{
    char path[PATH_MAX];
    int saved = errno;
    if (!armed)
        return 0;
    of_fd(fd, path);
    if (hit(kind, path))
        return 1;
    errno = saved;
    return 0;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRAP(type, name, parameters, arguments, fails)                                                                 \
    type name parameters                                                                                               \
    {                                                                                                                  \
        static __typeof__(&name) next;                                                                                 \
        if (!next)                                                                                                     \
            next = NEXT(name);                                                                                         \
        return fails ? (type)-1 : next arguments;                                                                      \
    }

WRAP(int, mkdir, (const char *p, mode_t m), (p, m), fails_at("mkdir", AT_FDCWD, p))
WRAP(int, mkdirat, (int d, const char *p, mode_t m), (d, p, m), fails_at("mkdir", d, p))
WRAP(int, rename, (const char *a, const char *b), (a, b), fails_at("rename", AT_FDCWD, b))
WRAP(int, renameat, (int c, const char *a, int d, const char *b), (c, a, d, b), fails_at("rename", d, b))
WRAP(int, renameat2, (int c, const char *a, int d, const char *b, unsigned f), (c, a, d, b, f), fails_at("rename", d, b))
WRAP(int, stat, (const char *p, struct stat *s), (p, s), fails_at("stat", AT_FDCWD, p))
WRAP(int, stat64, (const char *p, struct stat64 *s), (p, s), fails_at("stat", AT_FDCWD, p))
WRAP(int, lstat, (const char *p, struct stat *s), (p, s), fails_at("stat", AT_FDCWD, p))
WRAP(int, lstat64, (const char *p, struct stat64 *s), (p, s), fails_at("stat", AT_FDCWD, p))
WRAP(int, access, (const char *p, int m), (p, m), fails_at("stat", AT_FDCWD, p))
WRAP(int, fstatat, (int d, const char *p, struct stat *s, int f), (d, p, s, f), fails_at("stat", d, p))
WRAP(int, fstatat64, (int d, const char *p, struct stat64 *s, int f), (d, p, s, f), fails_at("stat", d, p))
WRAP(ssize_t, readlink, (const char *p, char *b, size_t n), (p, b, n), fails_at("read", AT_FDCWD, p))
WRAP(ssize_t, readlinkat, (int d, const char *p, char *b, size_t n), (d, p, b, n), fails_at("read", d, p))
WRAP(int, link, (const char *a, const char *b), (a, b), fails_at("link", AT_FDCWD, b))
WRAP(int, linkat, (int c, const char *a, int d, const char *b, int f), (c, a, d, b, f), fails_at("link", d, b))
WRAP(int, unlink, (const char *p), (p), fails_at("unlink", AT_FDCWD, p))
WRAP(int, unlinkat, (int d, const char *p, int f), (d, p, f), fails_at(f &AT_REMOVEDIR ? "rmdir" : "unlink", d, p))
WRAP(int, rmdir, (const char *p), (p), fails_at("rmdir", AT_FDCWD, p))
WRAP(int, symlink, (const char *a, const char *b), (a, b), fails_at("symlink", AT_FDCWD, b))
WRAP(int, symlinkat, (const char *a, int d, const char *b), (a, d, b), fails_at("symlink", d, b))
WRAP(int, chmod, (const char *p, mode_t m), (p, m), fails_at("chmod", AT_FDCWD, p))
WRAP(int, fchmod, (int fd, mode_t m), (fd, m), fails_fd("chmod", fd))
WRAP(int, fchmodat, (int d, const char *p, mode_t m, int f), (d, p, m, f), fails_at("chmod", d, p))
WRAP(int, futimens, (int fd, const struct timespec t[2]), (fd, t), fails_fd("utime", fd))
WRAP(ssize_t, write, (int fd, const void *b, size_t n), (fd, b, n), fails_fd("write", fd))
WRAP(ssize_t, pwrite, (int fd, const void *b, size_t n, off_t o), (fd, b, n, o), fails_fd("write", fd))
WRAP(ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t o), (fd, b, n, o), fails_fd("write", fd))
WRAP(ssize_t, read, (int fd, void *b, size_t n), (fd, b, n), fails_fd("read", fd))
WRAP(ssize_t, pread, (int fd, void *b, size_t n, off_t o), (fd, b, n, o), fails_fd("read", fd))
WRAP(ssize_t, pread64, (int fd, void *b, size_t n, off64_t o), (fd, b, n, o), fails_fd("read", fd))
WRAP(int, ftruncate, (int fd, off_t n), (fd, n), fails_fd("write", fd))
WRAP(int, ftruncate64, (int fd, off64_t n), (fd, n), fails_fd("write", fd))
WRAP(int, fsync, (int fd), (fd), fails_fd("fsync", fd))
WRAP(int, fdatasync, (int fd), (fd), fails_fd("fsync", fd))
WRAP(int, syncfs, (int fd), (fd), fails_fd("syncfs", fd))
WRAP(int, flock, (int fd, int h), (fd, h), fails_fd("flock", fd))
WRAP(ssize_t, copy_file_range, (int c, off64_t *i, int d, off64_t *o, size_t n, unsigned f), (c, i, d, o, n, f),
     fails_fd("write", d))
WRAP(ssize_t, sendfile, (int d, int c, off_t *o, size_t n), (d, c, o, n), fails_fd("write", d))
WRAP(ssize_t, sendfile64, (int d, int c, off64_t *o, size_t n), (d, c, o, n), fails_fd("write", d))

int utimensat(int d, const char *p, const struct timespec t[2], int f)
{
    static __typeof__(&utimensat) next;
    if (!next)
        next = NEXT(utimensat);
    return (p ? fails_at("utime", d, p) : fails_fd("utime", d)) ? -1 : next(d, p, t, f);
}

static const char *kind_of(int flags)
{
    return flags & (O_CREAT | O_WRONLY | O_RDWR) ? "create" : flags & O_PATH ? "path" : "open";
}

#define OPEN(name, parameters, arguments, directory)                                                                   \
    int name parameters                                                                                                \
    {                                                                                                                  \
        static __typeof__(&name) next;                                                                                 \
        mode_t m = 0;                                                                                                  \
        if (f & (O_CREAT | O_TMPFILE)) {                                                                               \
            va_list list;                                                                                              \
            va_start(list, f);                                                                                         \
            m = va_arg(list, mode_t);                                                                                  \
            va_end(list);                                                                                              \
        }                                                                                                              \
        if (!next)                                                                                                     \
            next = NEXT(name);                                                                                         \
        return fails_at(kind_of(f), directory, p) ? -1 : next arguments;                                               \
    }

OPEN(open, (const char *p, int f, ...), (p, f, m), AT_FDCWD)
OPEN(open64, (const char *p, int f, ...), (p, f, m), AT_FDCWD)
OPEN(openat, (int d, const char *p, int f, ...), (d, p, f, m), d)
OPEN(openat64, (int d, const char *p, int f, ...), (d, p, f, m), d)

DIR *opendir(const char *p)
{
    static __typeof__(&opendir) next;
    if (!next)
        next = NEXT(opendir);
    return fails_at("open", AT_FDCWD, p) ? NULL : next(p);
}

DIR *fdopendir(int fd)
{
    static __typeof__(&fdopendir) next;
    if (!next)
        next = NEXT(fdopendir);
    return fails_fd("open", fd) ? NULL : next(fd);
}

#define LIST(name, type)                                                                                               \
    type *name(DIR *d)                                                                                                 \
    {                                                                                                                  \
        static __typeof__(&name) next;                                                                                 \
        if (!next)                                                                                                     \
            next = NEXT(name);                                                                                         \
        return fails_fd("list", dirfd(d)) ? NULL : next(d);                                                            \
    }

LIST(readdir, struct dirent)
LIST(readdir64, struct dirent64)

/* SQLite's locks. */
#define CONTROL(name)                                                                                                  \
    int name(int fd, int command, ...)                                                                                 \
    {                                                                                                                  \
        static int (*next)(int, int, ...);                                                                             \
        va_list list;                                                                                                  \
        va_start(list, command);                                                                                       \
        void *argument = va_arg(list, void *);                                                                         \
        va_end(list);                                                                                                  \
        if (!next)                                                                                                     \
            next = (int (*)(int, int, ...))dlsym(RTLD_NEXT, #name);                                                    \
        int takes = command == F_SETLK || command == F_SETLKW;                                                         \
        if (takes && ((struct flock *)argument)->l_type != F_UNLCK && fails_fd("lock", fd))                            \
            return -1;                                                                                                 \
        return next(fd, command, argument);                                                                            \
    }

CONTROL(fcntl)
CONTROL(fcntl64)
