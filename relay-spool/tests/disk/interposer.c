/*
 * Stands between a process and the C library (LD_PRELOAD): writes down every change of the files below one folder, in
 * its order and with its data, and makes such calls fail when told to.
 *
 * RELAY_SPOOL_WATCH     the folder, an absolute path
 * RELAY_SPOOL_LOG       where the changes are written down: see `record`; nothing is if it is not set
 * RELAY_SPOOL_COMMANDS  a file that need not exist: each write to it is a command to us
 *                         fault CALL ERROR SKIP TIMES SUFFIX   from now on, CALL fails with the number ERROR
 *                         unreadable FROM TO PATH              reading these bytes of that file fails, whatever its
 *                                                              name is later
 *                         room SIZE                            all files below the folder have that many bytes at most:
 *                                                              the disk is full then
 *                         well                                 nothing fails any more
 *                         end                                  the process ends at once
 *                       and anything else is a mark, written down among the changes.
 *
 * CALL is open (for writing, or making files and folders), write, short (half of it is written), sync, read, truncate,
 * rename (and unlink); SKIP calls are let through first, TIMES fail (-1: all), of files whose path ends in SUFFIX
 * (* : all). What is mapped into memory is not seen: SQLite maps its `-shm` file, which does not outlive a crash.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_FILES = 1024, MOST_FAULTS = 16, LOG_FD = 1000 };
enum operation { CREATE = 1, WRITE, TRUNCATE, SYNC, SYNC_FAILED, RENAME, UNLINK, MAKE_FOLDER, REMOVE_FOLDER, MARK };

struct fault {
    char call[16];
    int error, skip, times;
    char suffix[64];
};

struct hole {
    uint64_t inode;
    off_t from, to;
};

/* Held around each call, so that the order in the log is the order of the effects. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX], commands[PATH_MAX];
static int logging, commands_fd = -1;
/* The paths of open files below the folder. */
static char *paths[MOST_FILES];
static struct fault faults[MOST_FAULTS];
static int fault_count;
static struct hole holes[MOST_FAULTS];
static int hole_count;
/* If it is not 0. */
static off_t room;

__attribute__((constructor)) static void begin(void) {
    const char *watch = getenv("RELAY_SPOOL_WATCH"), *log = getenv("RELAY_SPOOL_LOG");
    const char *command_file = getenv("RELAY_SPOOL_COMMANDS");
    if (watch) snprintf(folder, sizeof folder, "%s", watch);
    if (command_file) snprintf(commands, sizeof commands, "%s", command_file);
    if (watch && log) {
        int fd = syscall(SYS_openat, AT_FDCWD, log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || syscall(SYS_dup3, fd, LOG_FD, O_CLOEXEC) < 0) abort();
        syscall(SYS_close, fd);
        logging = 1;
    }
}

static int is_watched(const char *path) {
    size_t length = strlen(folder);
    return length && path && !strncmp(path, folder, length) && (path[length] == '/' || path[length] == 0);
}

/* A watched path as it is written down. */
static const char *relative(const char *path) {
    path += strlen(folder);
    return *path == '/' ? path + 1 : path;
}

/* One change: what, which file, where, how long, data. */
static void record(enum operation operation, uint64_t inode, uint64_t offset, const void *data, uint32_t length) {
    if (!logging) return;
    struct __attribute__((packed)) {
        uint8_t operation;
        uint64_t inode, offset;
        uint32_t length;
    } head = {operation, inode, offset, length};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, length}};
    if (syscall(SYS_writev, LOG_FD, parts, 2) != (long)(sizeof head + length)) abort();
}

static void record_path(enum operation operation, uint64_t inode, const char *path) {
    record(operation, inode, 0, relative(path), strlen(relative(path)));
}

static uint64_t inode_of(int fd) {
    struct stat status;
    return fstat(fd, &status) ? 0 : status.st_ino;
}

static uint64_t inode_at(const char *path) {
    struct stat status;
    return lstat(path, &status) ? 0 : status.st_ino;
}

static const char *path_of(int fd) { return fd >= 0 && fd < MOST_FILES ? paths[fd] : NULL; }

/* Whether this call is to fail, and with what. */
static int failure(const char *call, const char *path) {
    if (!is_watched(path)) return 0;
    for (int i = 0; i < fault_count; i++) {
        struct fault *fault = &faults[i];
        size_t length = strlen(path), suffix = strlen(fault->suffix);
        if (strcmp(fault->call, call)) continue;
        if (strcmp(fault->suffix, "*") && (length < suffix || strcmp(path + length - suffix, fault->suffix))) continue;
        if (fault->skip > 0) {
            fault->skip--;
            continue;
        }
        if (fault->times == 0) continue;
        if (fault->times > 0) fault->times--;
        return fault->error;
    }
    return 0;
}

static void obey(const char *command, size_t length) {
    char text[PATH_MAX], path[PATH_MAX];
    snprintf(text, sizeof text, "%.*s", (int)length, command);
    struct fault fault;
    struct hole hole;
    if (!strncmp(text, "well", 4)) {
        fault_count = hole_count = room = 0;
    } else if (!strncmp(text, "unreadable ", 11)) {
        if (hole_count == MOST_FAULTS || sscanf(text, "unreadable %ld %ld %4095s", &hole.from, &hole.to, path) != 3) abort();
        hole.inode = inode_at(path);
        holes[hole_count++] = hole;
    } else if (!strncmp(text, "room ", 5)) {
        if (sscanf(text, "room %ld", &room) != 1) abort();
    } else if (!strncmp(text, "end", 3)) {
        /* In our turn, or another thread may be in the middle of writing something down. */
        syscall(SYS_exit_group, 0);
    } else if (!strncmp(text, "fault ", 6)) {
        if (fault_count == MOST_FAULTS || sscanf(text, "fault %15s %d %d %d %63s", fault.call, &fault.error, &fault.skip,
                                                 &fault.times, fault.suffix) != 5)
            abort();
        faults[fault_count++] = fault;
    } else {
        record(MARK, 0, 0, command, length);
    }
}

static int fails(int error) {
    errno = error;
    return -1;
}

static void forget(int fd) {
    pthread_mutex_lock(&turn);
    free(paths[fd]);
    paths[fd] = NULL;
    pthread_mutex_unlock(&turn);
}

static int open_at(int at, const char *path, int flags, mode_t mode) {
    char absolute[PATH_MAX];
    if (path[0] == '/') {
        snprintf(absolute, sizeof absolute, "%s", path);
    } else {
        const char *base = at == AT_FDCWD ? NULL : path_of(at);
        if (!base) return syscall(SYS_openat, at, path, flags, mode);
        snprintf(absolute, sizeof absolute, "%s/%s", base, path);
    }
    int is_commands = commands[0] && !strcmp(absolute, commands);
    if (!is_commands && !is_watched(absolute)) {
        int fd = syscall(SYS_openat, at, path, flags, mode);
        /* `closedir` closes without asking us. */
        if (path_of(fd)) forget(fd);
        return fd;
    }

    pthread_mutex_lock(&turn);
    int existed = is_commands || inode_at(absolute) != 0;
    int writes = (flags & O_ACCMODE) != O_RDONLY || ((flags & O_CREAT) && !existed);
    int error = writes && !is_commands ? failure("open", absolute) : 0;
    int fd = error ? fails(error) : (int)syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && fd < MOST_FILES) {
        if (is_commands) {
            commands_fd = fd;
        } else {
            free(paths[fd]);
            paths[fd] = strdup(absolute);
            if (!existed && (flags & O_CREAT)) record_path(CREATE, inode_of(fd), absolute);
            else if (flags & O_TRUNC) record(TRUNCATE, inode_of(fd), 0, NULL, 0);
        }
    }
    pthread_mutex_unlock(&turn);
    return fd;
}

static mode_t mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_at(at, path, flags | O_LARGEFILE, mode);
}

int openat(int at, const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_at(at, path, flags, mode);
}

int close(int fd) {
    if (path_of(fd)) forget(fd);
    if (fd == LOG_FD) return 0;
    return syscall(SYS_close, fd);
}

static off_t total;

static int add_size(const char *path, const struct stat *status, int type) {
    (void)path;
    if (type == FTW_F) total += status->st_size;
    return 0;
}

/* Whether there is no room for this file to become that long. */
static int grows_too_large(int fd, off_t length) {
    struct stat status;
    if (fstat(fd, &status) || length <= status.st_size) return 0;
    total = length - status.st_size;
    return ftw(folder, add_size, 8) || total > room;
}

/* `at` is -1 where the file's own place counts. */
static ssize_t write_at(int fd, const void *data, size_t length, off_t at) {
    pthread_mutex_lock(&turn);
    const char *path = path_of(fd);
    ssize_t written;
    int error = failure("write", path);
    if (error) {
        written = fails(error);
    } else {
        off_t offset = at >= 0 ? at : path ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : 0;
        if (length > 1 && failure("short", path)) length /= 2;
        if (room && is_watched(path) && grows_too_large(fd, offset + (off_t)length))
            written = fails(ENOSPC);
        else
            written = at >= 0 ? syscall(SYS_pwrite64, fd, data, length, at) : syscall(SYS_write, fd, data, length);
        if (written > 0 && is_watched(path)) record(WRITE, inode_of(fd), offset, data, written);
    }
    pthread_mutex_unlock(&turn);
    return written;
}

ssize_t write(int fd, const void *data, size_t length) {
    if (fd >= 0 && fd == commands_fd) {
        pthread_mutex_lock(&turn);
        obey(data, length);
        pthread_mutex_unlock(&turn);
        return length;
    }
    return path_of(fd) ? write_at(fd, data, length, -1) : syscall(SYS_write, fd, data, length);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return write_at(fd, data, length, offset); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return write_at(fd, data, length, offset); }

/* Nothing that we watch writes in pieces: better to stop than to miss it. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (path_of(fd)) abort();
    return syscall(SYS_writev, fd, parts, count);
}

static int failed_read(int fd, size_t length, off_t offset) {
    if (!path_of(fd)) return 0;
    pthread_mutex_lock(&turn);
    int error = failure("read", path_of(fd));
    for (int i = 0; i < hole_count; i++)
        if (holes[i].inode == inode_of(fd) && offset < holes[i].to && offset + (off_t)length > holes[i].from) error = EIO;
    pthread_mutex_unlock(&turn);
    return error;
}

ssize_t read(int fd, void *data, size_t length) {
    int error = path_of(fd) ? failed_read(fd, length, syscall(SYS_lseek, fd, 0, SEEK_CUR)) : 0;
    return error ? fails(error) : syscall(SYS_read, fd, data, length);
}

ssize_t pread64(int fd, void *data, size_t length, off64_t offset) {
    int error = failed_read(fd, length, offset);
    return error ? fails(error) : syscall(SYS_pread64, fd, data, length, offset);
}

ssize_t pread(int fd, void *data, size_t length, off_t offset) { return pread64(fd, data, length, offset); }

int ftruncate64(int fd, off64_t length) {
    pthread_mutex_lock(&turn);
    int error = failure("truncate", path_of(fd));
    int done = error ? fails(error) : (int)syscall(SYS_ftruncate, fd, length);
    if (!done && path_of(fd)) record(TRUNCATE, inode_of(fd), length, NULL, 0);
    pthread_mutex_unlock(&turn);
    return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int sync_file(int fd, long call) {
    const char *path = path_of(fd);
    if (!path) return syscall(call, fd);
    pthread_mutex_lock(&turn);
    int error = failure("sync", path);
    int done = error ? fails(error) : (int)syscall(call, fd);
    record_path(done ? SYNC_FAILED : SYNC, inode_of(fd), path);
    pthread_mutex_unlock(&turn);
    return done;
}

int fsync(int fd) { return sync_file(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

int rename(const char *from, const char *to) {
    if (is_watched(from) != is_watched(to)) abort();
    if (!is_watched(from)) return syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    char both[2 * PATH_MAX];
    pthread_mutex_lock(&turn);
    int error = failure("rename", to);
    uint64_t inode = inode_at(from);
    int done = error ? fails(error) : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    if (!done) record(RENAME, inode, 0, both, snprintf(both, sizeof both, "%s\n%s", relative(from), relative(to)));
    pthread_mutex_unlock(&turn);
    return done;
}

static int unlink_at(int at, const char *path, int flags) {
    char absolute[PATH_MAX];
    const char *base = at == AT_FDCWD || path[0] == '/' ? NULL : path_of(at);
    snprintf(absolute, sizeof absolute, "%s%s%s", base ? base : "", base ? "/" : "", path);
    if (!is_watched(absolute)) return syscall(SYS_unlinkat, at, path, flags);
    pthread_mutex_lock(&turn);
    int error = failure("rename", absolute);
    int done = error ? fails(error) : (int)syscall(SYS_unlinkat, at, path, flags);
    if (!done) record_path(flags & AT_REMOVEDIR ? REMOVE_FOLDER : UNLINK, 0, absolute);
    pthread_mutex_unlock(&turn);
    return done;
}

int unlink(const char *path) { return unlink_at(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return unlink_at(at, path, flags); }
int rmdir(const char *path) { return unlink_at(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdir(const char *path, mode_t mode) {
    if (!is_watched(path)) return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    pthread_mutex_lock(&turn);
    int error = failure("open", path);
    int done = error ? fails(error) : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (!done) record_path(MAKE_FOLDER, inode_at(path), path);
    pthread_mutex_unlock(&turn);
    return done;
}
