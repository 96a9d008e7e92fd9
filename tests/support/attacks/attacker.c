/* What a hostile build would do, each attempt in a process of its own: one line says what came of it.
   Usage: attacker calls DIR        attempts at system calls, in a directory that can be written
          attacker writable DIR     the files below DIR that can be opened to be written
          attacker connect PORT     to a port of this machine        attacker abstract NAME   to an abstract socket
          attacker socket PATH      leaves a socket                   attacker listen NAME              at an abstract socket
          attacker sleepers COUNT
          attacker memory KIND MB   takes memory: private, shared, memfd, shm, sysv, messages or
                                    semaphores; then sleeps
          attacker disk DIR MB      writes files that have no name, and keeps them open; then sleeps
          attacker deep DIR LEVELS NAME     makes directories in one another, and a file in the last */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void report(const char *name, long result) {
    if (result < 0)
        printf("%s refused %d\n", name, errno);
    else
        printf("%s done\n", name);
    fflush(stdout);
}

#define TRY(name, expression)                                                                                          \
    do {                                                                                                               \
        pid_t child = fork();                                                                                          \
        if (!child) {                                                                                                  \
            alarm(10);                                                                                                 \
            errno = 0;                                                                                                 \
            report(name, (long)(expression));                                                                          \
            _exit(0);                                                                                                  \
        }                                                                                                              \
        int status = 0;                                                                                                \
        waitpid(child, &status, 0);                                                                                    \
        if (WIFSIGNALED(status)) {                                                                                     \
            printf("%s signal %d\n", name, WTERMSIG(status));                                                          \
            fflush(stdout);                                                                                            \
        }                                                                                                              \
    } while (0)

static long set_id_at(const char *path, mode_t mode, long (*how)(const char *, mode_t)) {
    struct stat found;
    long result = how(path, mode);
    int code = errno;
    if (!stat(path, &found) && (found.st_mode & 06000)) {
        printf("set-id bits are on %s\n", path);
        return 1;
    }
    errno = code;
    return result;
}

static int made(const char *path) {
    unlink(path);
    return open(path, O_CREAT | O_RDWR, 0755);
}

static long by_chmod(const char *p, mode_t m) { close(made(p)); return syscall(SYS_chmod, p, m); }
static long by_fchmod(const char *p, mode_t m) { return fchmod(made(p), m); }
static long by_fchmodat(const char *p, mode_t m) { close(made(p)); return syscall(SYS_fchmodat, AT_FDCWD, p, m); }
static long by_fchmodat2(const char *p, mode_t m) { close(made(p)); return syscall(452, AT_FDCWD, p, m, 0); }
static long by_open(const char *p, mode_t m) { unlink(p); return syscall(SYS_open, p, O_CREAT | O_WRONLY, m); }
static long by_openat(const char *p, mode_t m) { unlink(p); return openat(AT_FDCWD, p, O_CREAT | O_WRONLY, m); }
static long by_creat(const char *p, mode_t m) { unlink(p); return syscall(SYS_creat, p, m); }
static long by_mknod(const char *p, mode_t m) { unlink(p); return syscall(SYS_mknod, p, S_IFREG | m, 0); }
static long by_mknodat(const char *p, mode_t m) { unlink(p); return syscall(SYS_mknodat, AT_FDCWD, p, S_IFREG | m, 0); }
static long by_tmpfile(const char *p, mode_t m) {
    unlink(p);
    int fd = open(".", O_TMPFILE | O_RDWR, m);
    char place[64];
    snprintf(place, sizeof place, "/proc/self/fd/%d", fd);
    return fd < 0 ? fd : linkat(AT_FDCWD, place, AT_FDCWD, p, AT_SYMLINK_FOLLOW);
}
static long by_openat2(const char *p, mode_t m) {
    struct { uint64_t flags, mode, resolve; } how = {O_CREAT | O_WRONLY, m, 0};
    unlink(p);
    return syscall(SYS_openat2, AT_FDCWD, p, &how, sizeof how);
}
static long by_high_bits(const char *p, mode_t m) {
    close(made(p));
    return syscall(SYS_chmod, p, 0x700000000UL | m);
}
static char low_path[64]; /* an address that 32 bits can hold */
#ifdef __x86_64__
static long by_int80(const char *p, mode_t m) {
    long result;
    close(made(p));
    snprintf(low_path, sizeof low_path, "%s", p);
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(15), "b"(low_path), "c"(m) : "memory");
    if (result < 0)
        errno = (int)-result;
    return result < 0 ? -1 : 0;
}
static long by_x32(const char *p, mode_t m) { close(made(p)); return syscall(0x40000000 | 90, p, m); }
#endif

static long tiocsti(unsigned long request) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || unlockpt(master))
        return 0;
    setsid();
    int slave = open(ptsname(master), O_RDWR);
    if (slave < 0)
        return 0;
    ioctl(slave, TIOCSCTTY, 0);
    return syscall(SYS_ioctl, slave, request, "x");
}

static long in_new_namespace(unsigned long flag) {
    long child = syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0);
    if (!child)
        _exit(0);
    return child;
}

static long by_clone3(unsigned long flag) {
    struct clone_args args = {.flags = flag, .exit_signal = SIGCHLD};
    long child = syscall(SYS_clone3, &args, sizeof args);
    if (!child)
        _exit(0);
    return child;
}

static long attach(long request) {
    pid_t child = fork();
    if (!child) {
        pause();
        _exit(0);
    }
    long result = syscall(SYS_ptrace, request, child, 0, 0);
    int code = errno;
    kill(child, SIGKILL);
    errno = code;
    return result;
}

static long peek(void) {
    char here[8];
    struct iovec local = {here, 8}, remote = {low_path, 8};
    return syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0);
}

static void calls(const char *folder) {
    if (chdir(folder))
        exit(3);
    struct { const char *name; long (*how)(const char *, mode_t); } ways[] = {
        {"chmod", by_chmod}, {"fchmod", by_fchmod}, {"fchmodat", by_fchmodat}, {"fchmodat2", by_fchmodat2},
        {"open", by_open}, {"openat", by_openat}, {"creat", by_creat}, {"mknod", by_mknod}, {"mknodat", by_mknodat},
        {"tmpfile", by_tmpfile}, {"openat2", by_openat2}, {"high-bits", by_high_bits},
#ifdef __x86_64__
        {"int80", by_int80}, {"x32", by_x32},
#endif
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char name[64];
        snprintf(name, sizeof name, "suid-%s", ways[i].name);
        TRY(name, set_id_at("suid", 04755, ways[i].how));
        snprintf(name, sizeof name, "sgid-%s", ways[i].name);
        TRY(name, set_id_at("sgid", 02755, ways[i].how));
    }
    mkdir("sub", 0755);
    TRY("sgid-directory", chmod("sub", 02755));
    close(made("file"));
    TRY("setxattr", syscall(SYS_setxattr, "file", "user.a", "b", 1, 0));
    TRY("lsetxattr", syscall(SYS_lsetxattr, "file", "user.a", "b", 1, 0));
    TRY("fsetxattr", syscall(SYS_fsetxattr, open("file", O_RDWR), "user.a", "b", 1, 0));
    TRY("setxattrat", syscall(463, AT_FDCWD, "file", 0, "user.a", "b", 16));
    TRY("capability", syscall(SYS_setxattr, "file", "security.capability", "\1\0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0));
    struct { const char *name; unsigned long flag; } kinds[] = {
        {"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET},
        {"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC}, {"cgroup", CLONE_NEWCGROUP},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char name[64];
        snprintf(name, sizeof name, "unshare-%s", kinds[i].name);
        TRY(name, syscall(SYS_unshare, kinds[i].flag));
        snprintf(name, sizeof name, "clone-%s", kinds[i].name);
        TRY(name, in_new_namespace(kinds[i].flag));
    }
    TRY("clone-both", in_new_namespace(CLONE_NEWUSER | CLONE_NEWNS));
    TRY("unshare-time", syscall(SYS_unshare, CLONE_NEWTIME));
    TRY("clone3", by_clone3(CLONE_NEWUSER));
    TRY("setns", syscall(SYS_setns, open("/proc/self/ns/user", O_RDONLY), 0));
    TRY("mount", syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, 0));
    TRY("remount", syscall(SYS_mount, "none", "/", 0, MS_REMOUNT | MS_BIND, 0));
    TRY("umount", syscall(SYS_umount2, "/proc/sys", MNT_DETACH));
    TRY("pivot-root", syscall(SYS_pivot_root, ".", "."));
    TRY("chroot", syscall(SYS_chroot, "."));
    TRY("open-tree", syscall(428, AT_FDCWD, "/", 1));
    TRY("move-mount", syscall(429, AT_FDCWD, "/proc/sys", AT_FDCWD, "/tmp", 0));
    TRY("fsopen", syscall(430, "tmpfs", 0));
    TRY("mount-setattr", syscall(442, AT_FDCWD, "/", 0, "", 32));
    TRY("add-key", syscall(SYS_add_key, "user", "a", "b", 1, -3));
    TRY("request-key", syscall(SYS_request_key, "user", "a", 0, -3));
    TRY("keyctl", syscall(SYS_keyctl, 0, -3, 1));
    TRY("io-uring-setup", syscall(425, 8, calloc(1, 256)));
    TRY("io-uring-enter", syscall(426, 0, 0, 0, 0, 0, 0));
    TRY("io-uring-register", syscall(427, 0, 0, 0, 0));
    TRY("tiocsti", tiocsti(0x5412));
    TRY("tiocsti-high-bits", tiocsti(0x100005412UL));
    TRY("tioclinux", tiocsti(0x541c));
    TRY("ptrace-attach", attach(PTRACE_ATTACH));
    TRY("ptrace-seize", attach(PTRACE_SEIZE));
    TRY("process-vm-readv", peek());
    TRY("pidfd-getfd", syscall(438, syscall(434, getpid(), 0), 0, 0));
    TRY("open-by-handle", syscall(SYS_open_by_handle_at, AT_FDCWD, "", 0));
    TRY("bpf", syscall(SYS_bpf, 0, calloc(1, 128), 128));
    TRY("perf-event-open", syscall(SYS_perf_event_open, calloc(1, 128), 0, -1, -1, 0));
    TRY("userfaultfd", syscall(SYS_userfaultfd, 1));
    TRY("fanotify-init", syscall(SYS_fanotify_init, 0, 0));
    TRY("syslog", syscall(SYS_syslog, 3, calloc(1, 64), 64));
    TRY("kexec-load", syscall(SYS_kexec_load, 0, 0, 0, 0));
    TRY("init-module", syscall(SYS_init_module, "", 0, ""));
    TRY("delete-module", syscall(SYS_delete_module, "none", 0));
    TRY("reboot", syscall(SYS_reboot, 0, 0, 0, 0));
    TRY("settimeofday", syscall(SYS_settimeofday, 0, 0));
    TRY("swapon", syscall(SYS_swapon, "file", 0));
    TRY("acct", syscall(SYS_acct, "file"));
    TRY("quotactl", syscall(SYS_quotactl, 0, "", 0, 0));
#ifdef __x86_64__
    TRY("iopl", syscall(SYS_iopl, 3));
    TRY("ioperm", syscall(SYS_ioperm, 0, 1, 1));
#endif
    TRY("character-device", syscall(SYS_mknod, "null", S_IFCHR | 0666, (1 << 8) | 3));
    TRY("block-device", syscall(SYS_mknod, "disk", S_IFBLK | 0666, (8 << 8)));
    TRY("socket-packet", socket(17, SOCK_RAW, 0));
    TRY("socket-vsock", socket(40, SOCK_STREAM, 0));
    TRY("socket-alg", socket(38, SOCK_SEQPACKET, 0));
    TRY("socket-key", socket(15, SOCK_RAW, 2));
    TRY("socket-bluetooth", socket(31, SOCK_RAW, 1));
    TRY("socket-xdp", socket(44, SOCK_RAW, 0));
    TRY("socketpair-tipc", socketpair(30, SOCK_STREAM, 0, (int[2]){0, 0}));
    TRY("setuid-root", syscall(SYS_setuid, 0));
    TRY("setgid-root", syscall(SYS_setgid, 0));
    TRY("setgroups", syscall(SYS_setgroups, 1, (gid_t[1]){0}));
    TRY("chown-root", chown("file", 0, 0));
    TRY("sethostname", syscall(SYS_sethostname, "evil", 4));
    TRY("setrlimit", setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}));
    TRY("nice", setpriority(PRIO_PROCESS, 0, -5));
}

static int writable_count;
static int visit(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)walk;
    if (kind == FTW_F && S_ISREG(status->st_mode)) {
        int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0) {
            printf("writable %s\n", path);
            writable_count++;
            close(fd);
        }
    }
    return 0;
}

/* A megabyte in objects of System V, which are in no process. */
static int take_sysv(const char *kind) {
    static struct { long type; char text[8192]; } message = {1, ""};
    if (!strcmp(kind, "sysv")) {
        int id = shmget(IPC_PRIVATE, 1 << 20, 0600);
        char *place = id < 0 ? (void *)-1 : shmat(id, 0, 0);
        if (place == (void *)-1)
            return 1;
        memset(place, 1, 1 << 20);
        return shmdt(place);
    }
    if (!strcmp(kind, "semaphores"))
        return semget(IPC_PRIVATE, 16384, 0600) < 0;
    for (int i = 0; i < 64; i++) {
        int id = msgget(IPC_PRIVATE, 0600);
        if (id < 0 || msgsnd(id, &message, 8192, IPC_NOWAIT) || msgsnd(id, &message, 8192, IPC_NOWAIT))
            return 1;
    }
    return 0;
}

static int take_memory(const char *kind, size_t megabytes) {
    int count = 0;
    for (; megabytes; megabytes--, count++) {
        size_t size = 1 << 20;
        char name[64];
        int fd = -1, flags = MAP_SHARED;
        if (!strcmp(kind, "private"))
            flags = MAP_PRIVATE | MAP_ANONYMOUS;
        else if (!strcmp(kind, "shared"))
            flags = MAP_SHARED | MAP_ANONYMOUS;
        else if (!strcmp(kind, "memfd"))
            fd = memfd_create("x", 0);
        else if (strcmp(kind, "shm")) {
            if (take_sysv(kind))
                return perror(kind), 1;
            usleep(5000);
            continue;
        } else {
            snprintf(name, sizeof name, "/dev/shm/%d-%d", getpid(), count);
            fd = open(name, O_CREAT | O_RDWR, 0600);
        }
        if (fd >= 0) { /* never mapped: it counts in no process */
            static char block[1 << 20];
            memset(block, 1, size);
            if (write(fd, block, size) != (ssize_t)size)
                return perror(kind), 1;
        } else {
            char *place = mmap(0, size, PROT_READ | PROT_WRITE, flags, -1, 0);
            if (place == MAP_FAILED)
                return perror(kind), 1;
            memset(place, 1, size);
        }
        usleep(5000);
    }
    puts("all of it was had");
    fflush(stdout);
    sleep(20);
    return 0;
}

static int fill_disk(const char *folder, int megabytes) {
    static char block[1 << 20];
    memset(block, 1, sizeof block);
    if (chdir(folder))
        return 3;
    for (int i = 0; i < megabytes; i++) {
        int fd = open("nameless", O_CREAT | O_EXCL | O_RDWR, 0600);
        unlink("nameless");
        if (fd < 0 || write(fd, block, sizeof block) != sizeof block)
            return perror("disk"), 1;
        usleep(5000);
    }
    puts("all of it was had");
    fflush(stdout);
    sleep(20);
    return 0;
}

static int dig(const char *folder, int levels, const char *name) {
    if (chdir(folder))
        return 3;
    for (int i = 0; i < levels; i++)
        if (mkdir(name, 0755) || chdir(name))
            return perror("deep"), 1;
    int fd = open("bottom", O_CREAT | O_RDWR, 0644);
    if (fd < 0 || write(fd, "deep\n", 5) != 5)
        return 1;
    return 0;
}

int main(int count, char **words) {
    const char *what = count > 2 ? words[1] : "";
    if (!strcmp(what, "calls")) {
        calls(words[2]);
    } else if (!strcmp(what, "writable")) {
        nftw(words[2], visit, 32, FTW_PHYS);
        printf("writable files: %d\n", writable_count);
    } else if (!strcmp(what, "connect")) {
        struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
        place.sin_addr.s_addr = htonl(0x7f000001);
        TRY("loopback", connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&place, sizeof place));
        place.sin_addr.s_addr = htonl(0xc0000201);
        TRY("elsewhere", connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&place, sizeof place));
        TRY("datagram", sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr *)&place, sizeof place));
    } else if (!strcmp(what, "abstract")) {
        struct sockaddr_un place = {.sun_family = AF_UNIX};
        strncpy(place.sun_path + 1, words[2], sizeof place.sun_path - 2);
        socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(words[2]);
        TRY("abstract", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&place, size));
        TRY("abstract-datagram", sendto(socket(AF_UNIX, SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr *)&place, size));
    } else if (!strcmp(what, "listen")) {
        struct sockaddr_un place = {.sun_family = AF_UNIX};
        strncpy(place.sun_path + 1, words[2], sizeof place.sun_path - 2);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (bind(fd, (struct sockaddr *)&place, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(words[2])))
            return perror("listen"), 1;
        listen(fd, 5);
        sleep(60);
    } else if (!strcmp(what, "socket")) {
        struct sockaddr_un place = {.sun_family = AF_UNIX};
        strncpy(place.sun_path, words[2], sizeof place.sun_path - 1);
        return bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&place, sizeof place) ? 1 : 0;
    } else if (!strcmp(what, "sleepers")) {
        for (int left = atoi(words[2]); left > 0; left--) {
            pid_t child = fork();
            if (child < 0) {
                perror("fork");
                return 1;
            }
            if (!child) {
                signal(SIGTERM, SIG_IGN);
                setsid();
                sleep(30);
                _exit(0);
            }
        }
        puts("all of them were had");
        fflush(stdout);
        sleep(20);
    } else if (!strcmp(what, "memory") && count > 3) {
        return take_memory(words[2], atoi(words[3]));
    } else if (!strcmp(what, "disk") && count > 3) {
        return fill_disk(words[2], atoi(words[3]));
    } else if (!strcmp(what, "deep") && count > 4) {
        return dig(words[2], atoi(words[3]), words[4]);
    } else {
        return 2;
    }
    return 0;
}
