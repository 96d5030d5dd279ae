/*
 * Stands in for FFmpeg in the tests and tries one thing that FFmpeg must not be able to do. C, because most of it is
 * bare system calls, which the workspace's Rust has no way to make. The last line of the file "input" says what to
 * try: NAME FOLDER PORT. Exit code 0 means that it was possible, 1 that it was refused, 2 that there is no such name.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The folder with what belongs to others, and the port that a listener counts calls on. */
static char folder[512];
static int port;

static const char *in_folder(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Files */
static int reads(const char *path) {
    char byte;
    int file = open(path, O_RDONLY);
    return file < 0 ? -1 : (int)read(file, &byte, 1);
}
static int writes(const char *path) {
    int file = open(path, O_WRONLY | O_CREAT, 0755);
    return file < 0 ? -1 : (int)write(file, "x", 1);
}
static int lists(const char *path) { return open(path, O_RDONLY | O_DIRECTORY); }
static int of_parent(const char *what) {
    static char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", getppid(), what);
    return open(path, O_RDONLY);
}
static int write_here(void) { return writes("scratch"); }
static int read_passwd(void) { return reads("/etc/passwd"); }
static int read_neighbour(void) { return reads(in_folder("neighbour/secret")); }
static int read_by_dots(void) { return reads("../neighbour/secret"); }
static int read_environ(void) { return open("/proc/self/environ", O_RDONLY); }
static int inherit_secret(void) { return getenv("MEDIA_WORKER_SECRET") ? 0 : -1; }
static int read_parent_environ(void) { return of_parent("environ"); }
static int read_parent_memory(void) { return of_parent("mem"); }
static int read_device(void) { return reads("/dev/zero"); }
static int list_root(void) { return lists("/"); }
static int list_proc(void) { return lists("/proc"); }
static int list_jobs(void) { return lists(".."); }
static int write_outside(void) { return writes(in_folder("open/escape")); }
static int write_beside(void) { return writes("../escape"); }
static int write_in_tmp(void) {
    int result = writes("/tmp/gatelog-hostile");
    if (result >= 0) unlink("/tmp/gatelog-hostile");
    return result;
}
static int delete_outside(void) { return unlink(in_folder("open/victim")); }
static int truncate_outside(void) { return truncate(in_folder("open/long"), 0); }
static int make_folder(void) { return mkdir("folder", 0700); }
static int make_symlink(void) { return symlink("/etc/passwd", "link"); }
static int make_hardlink(void) { return link("input", "hard"); }
static int make_fifo(void) { return mknod("fifo", S_IFIFO | 0600, 0); }
static int make_socket(void) { return mknod("socket", S_IFSOCK | 0600, 0); }
static int make_device(void) { return mknod("device", S_IFCHR | 0600, 0x103); }
static int move_outside(void) {
    if (writes("movable") < 0) return -1;
    return rename("movable", in_folder("open/moved"));
}
static int change_mode(void) { return chmod("input", 04755); }
static int change_owner(void) { return chown("input", 1, 1); }
static int set_attribute(void) { return setxattr("input", "trusted.x", "y", 1, 0); }
static int open_by_handle(void) {
    struct { struct file_handle handle; char bytes[128]; } space = {.handle.handle_bytes = 128};
    int mount;
    if (name_to_handle_at(AT_FDCWD, "/etc/passwd", &space.handle, &mount, 0) < 0) return -1;
    return 0;
}

/* Sockets */
static struct sockaddr_in loopback(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return to;
}
static int dial(int protocol) {
    struct sockaddr_in to = loopback();
    int socket_ = socket(AF_INET, SOCK_STREAM, protocol);
    return socket_ < 0 ? -1 : connect(socket_, (struct sockaddr *)&to, sizeof to);
}
static int tcp_connect(void) { return dial(0); }
static int mptcp_connect(void) { return dial(262); }
static int tcp_bind(void) {
    struct sockaddr_in to = loopback();
    int socket_ = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_port = 0;
    return socket_ < 0 ? -1 : bind(socket_, (struct sockaddr *)&to, sizeof to);
}
static int udp_send(void) {
    struct sockaddr_in to = loopback();
    int socket_ = socket(AF_INET, SOCK_DGRAM, 0);
    return socket_ < 0 ? -1 : (int)sendto(socket_, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
}
static int dial_unix(const char *name, int is_abstract) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    int socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(to.sun_path + is_abstract, name, length);
    length += offsetof(struct sockaddr_un, sun_path) + 1;
    return socket_ < 0 ? -1 : connect(socket_, (struct sockaddr *)&to, (socklen_t)length);
}
static int unix_path(void) { return dial_unix(in_folder("open/listener"), 0); }
static int unix_abstract(void) {
    char name[64];
    snprintf(name, sizeof name, "gatelog-hostile-%d", port);
    return dial_unix(name, 1);
}
static int unix_pair(void) { int pair[2]; return socketpair(AF_UNIX, SOCK_STREAM, 0, pair); }
static int netlink(void) { return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); }
static int raw(void) { return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
static int packet(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static int ipv6(void) { return socket(AF_INET6, SOCK_DGRAM, 0); }

/* Other processes */
static int fork_(void) {
    int child = fork();
    if (child == 0) _exit(0);
    return child;
}
static int vfork_(void) {
    int child = vfork();
    if (child == 0) _exit(0);
    return child;
}
static int clone3_(void) {
    struct clone_args how = {.exit_signal = SIGCHLD};
    long child = syscall(SYS_clone3, &how, sizeof how);
    if (child == 0) _exit(0);
    return (int)child;
}
static int in_thread(void *unused) { (void)unused; syscall(SYS_exit, 0); return 0; }
static int thread_elsewhere(void) {
    static char stack[65536] __attribute__((aligned(16)));
    int how = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNS;
    return clone(in_thread, stack + sizeof stack, how, NULL);
}
static int shell(const char *program) {
    execl(program, "sh", "-c", "exit 0", (char *)NULL);
    return -1;
}
static int run_shell(void) { return shell("/bin/sh"); }
static int copy_self(int to) {
    char bytes[65536];
    ssize_t length;
    int from = open("/proc/self/exe", O_RDONLY);
    /* Without /proc there is no program to copy; the kernel asks whether it may be executed before it reads it. */
    if (from < 0) return (int)write(to, "\x7f", 1);
    while ((length = read(from, bytes, sizeof bytes)) > 0)
        if (write(to, bytes, (size_t)length) != length) return -1;
    return 0;
}
static int run_own_file(void) {
    int file = open("program", O_WRONLY | O_CREAT, 0755);
    if (file < 0 || copy_self(file) < 0) return -1;
    close(file);
    execl("./program", "program", "--harmless", (char *)NULL);
    return -1;
}
static int run_in_memory(void) {
    int file = memfd_create("program", 0);
    if (file < 0 || copy_self(file) < 0) return -1;
    char *arguments[] = {"program", "--harmless", NULL}, *none[] = {NULL};
    return fexecve(file, arguments, none);
}
static int kill_parent(void) { return kill(getppid(), 0); }
static int kill_all(void) { return kill(-1, 0); }
static int tgkill_parent(void) { return (int)syscall(SYS_tgkill, getppid(), getppid(), 0); }
static int tkill_parent(void) { return (int)syscall(SYS_tkill, getppid(), 0); }
static int queue_signal(void) {
    siginfo_t info = {.si_code = SI_QUEUE};
    return (int)syscall(SYS_rt_sigqueueinfo, getpid(), SIGCONT, &info);
}
static int own_descriptor(void) { return fcntl(1, F_SETOWN, getppid()); }
static int signal_by_descriptor(void) { return fcntl(1, F_SETSIG, SIGUSR1); }
static int pidfd_open_(void) { return (int)syscall(SYS_pidfd_open, getppid(), 0); }
static int trace(void) { return (int)ptrace(PTRACE_SEIZE, getppid(), NULL, NULL); }
static int peek(void) {
    char here;
    struct iovec own = {&here, 1}, theirs = {&here, 1};
    long got = process_vm_readv(getppid(), &own, 1, &theirs, 1, 0);
    return got < 0 && errno == EFAULT ? 0 : (int)got; /* The address is nothing there, but it was looked up. */
}
static int poke(void) {
    char here = 0;
    struct iovec own = {&here, 1}, theirs = {NULL, 1};
    long put = process_vm_writev(getppid(), &own, 1, &theirs, 1, 0);
    return put < 0 && errno == EFAULT ? 0 : (int)put;
}
static int compare(void) { return (int)syscall(SYS_kcmp, getpid(), getppid(), 0, 1, 1); }
static int limit_parent(void) {
    struct rlimit most;
    if (prlimit(getppid(), RLIMIT_NOFILE, NULL, &most) < 0) return -1;
    return prlimit(getppid(), RLIMIT_NOFILE, &most, NULL);
}
static int affinity(void) {
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    return sched_setaffinity(getppid(), sizeof all, &all);
}
static int shared_memory(void) {
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    if (id >= 0) shmctl(id, IPC_RMID, NULL);
    return id;
}
static int message_queue(void) {
    long queue = syscall(SYS_mq_open, "gatelog-hostile", O_CREAT | O_RDWR, 0600, NULL);
    if (queue >= 0) syscall(SYS_mq_unlink, "gatelog-hostile");
    return (int)queue;
}

/* More than it has */
static int become_root(void) { return setresuid(0, 0, 0); }
static int become_group(void) { return setresgid(0, 0, 0); }
static int set_limit(void) {
    struct rlimit same;
    return getrlimit(RLIMIT_AS, &same) < 0 ? -1 : setrlimit(RLIMIT_AS, &same);
}
static int less_nice(void) { return setpriority(PRIO_PROCESS, 0, -5); }
static int real_time(void) {
    struct sched_param first = {.sched_priority = 1};
    return sched_setscheduler(0, SCHED_FIFO, &first);
}
static int memfd(void) { return memfd_create("x", 0); }
static int faults(void) { return (int)syscall(SYS_userfaultfd, O_CLOEXEC); }
static int ring(void) {
    struct io_uring_params how = {0};
    return (int)syscall(SYS_io_uring_setup, 1, &how);
}
static int user_namespace(void) { return unshare(CLONE_NEWUSER); }
static int mount_namespace(void) { return unshare(CLONE_NEWNS); }
static int enter_namespace(void) {
    int file = open("/proc/self/ns/uts", O_RDONLY);
    return (int)syscall(SYS_setns, file, 0);
}
static int bpf(void) {
    union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map);
}
static int perf(void) {
    struct perf_event_attr what = {.type = PERF_TYPE_SOFTWARE, .size = sizeof what, .config = PERF_COUNT_SW_DUMMY};
    return (int)syscall(SYS_perf_event_open, &what, 0, -1, -1, 0);
}
static int keyring(void) { return (int)syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1); }
static int add_key(void) {
    return (int)syscall(SYS_add_key, "user", "gatelog", "x", 1UL, KEY_SPEC_PROCESS_KEYRING);
}
/* Of no effect outside: nothing there has this type. The call itself is what counts. */
static int mount_(void) { return mount("none", ".", "tmpfs", MS_NODEV, "size=4k") < 0 ? -1 : umount("."); }
static int chroot_(void) { return chroot("."); }
static int host_name(void) {
    char name[65];
    return gethostname(name, sizeof name) < 0 ? -1 : sethostname(name, strlen(name));
}
static int watch(void) { return (int)syscall(SYS_inotify_init1, 0); }
static int personality_(void) { return (int)syscall(SYS_personality, 0x0040000); }
#ifdef __x86_64__
static int old_gate(void) {
    long result = 20; /* getpid, as 32-bit programs call it */
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    return (int)result;
}
#endif

#define TRY(function) {#function, function}
static const struct { const char *name; int (*attempt)(void); } attempts[] = {
    TRY(write_here), TRY(read_passwd), TRY(read_neighbour), TRY(read_by_dots), TRY(read_environ),
    TRY(inherit_secret), TRY(read_parent_environ), TRY(read_parent_memory), TRY(read_device), TRY(list_root),
    TRY(list_proc), TRY(list_jobs), TRY(write_outside), TRY(write_beside), TRY(write_in_tmp), TRY(delete_outside),
    TRY(truncate_outside), TRY(make_folder), TRY(make_symlink), TRY(make_hardlink), TRY(make_fifo),
    TRY(make_socket), TRY(make_device), TRY(move_outside), TRY(change_mode), TRY(change_owner),
    TRY(set_attribute), TRY(open_by_handle), TRY(tcp_connect), TRY(mptcp_connect), TRY(tcp_bind),
    TRY(udp_send), TRY(unix_path), TRY(unix_abstract), TRY(unix_pair), TRY(netlink), TRY(raw), TRY(packet),
    TRY(ipv6), TRY(fork_), TRY(vfork_), TRY(clone3_), TRY(thread_elsewhere), TRY(run_shell), TRY(run_own_file),
    TRY(run_in_memory), TRY(kill_parent), TRY(kill_all), TRY(tgkill_parent), TRY(tkill_parent), TRY(queue_signal),
    TRY(own_descriptor), TRY(signal_by_descriptor), TRY(pidfd_open_), TRY(trace), TRY(peek), TRY(poke),
    TRY(compare), TRY(limit_parent), TRY(affinity), TRY(shared_memory), TRY(message_queue), TRY(become_root),
    TRY(become_group), TRY(set_limit), TRY(less_nice), TRY(real_time), TRY(memfd), TRY(faults), TRY(ring),
    TRY(user_namespace), TRY(mount_namespace), TRY(enter_namespace), TRY(bpf), TRY(perf), TRY(keyring),
    TRY(add_key), TRY(mount_), TRY(chroot_), TRY(host_name), TRY(watch), TRY(personality_),
#ifdef __x86_64__
    TRY(old_gate),
#endif
};
enum { COUNT = sizeof attempts / sizeof attempts[0] };

/* What the last line of the input says. */
static int order(char *name) {
    static char text[65536];
    int file = open("input", O_RDONLY);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    char *line = length < 0 ? NULL : strrchr(text, '\n');
    close(file);
    return line && sscanf(line + 1, "%63s %511s %d", name, folder, &port) == 3;
}

int main(int count, char **arguments) {
    char name[64];
    for (int i = 1; i < count; i++) {
        if (!strcmp(arguments[i], "--harmless")) return 0;
        int asks = !strcmp(arguments[i], "-version") || !strcmp(arguments[i], "-encoders") || !strcmp(arguments[i], "-muxers");
        if (asks) return puts("ffmpeg version hostile") < 0;
        if (!strcmp(arguments[i], "--list")) {
            for (int n = 0; n < COUNT; n++) puts(attempts[n].name);
            return 0;
        }
    }
    if (!order(name)) return 2;
    for (int n = 0; n < COUNT; n++) {
        if (strcmp(attempts[n].name, name)) continue;
        int result = attempts[n].attempt();
        fprintf(stderr, "%s: %s %d\n", name, result < 0 ? "denied" : "ALLOWED", result < 0 ? errno : 0);
        return result < 0;
    }
    return 2;
}
