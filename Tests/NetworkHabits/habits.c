// Gives a folder the habits of network file systems, for a program that is started with this library in LD_PRELOAD.
//
// HABITS_UNDER: the folder, as an absolute path; calls about anything else are passed on.
// HABITS: words with spaces between them:
//   lie:CALL:ERROR[:N]  CALL (rename, renameat2, link, mkdir, unlink, rmdir) does what it should and then reports ERROR (ENOENT,
//                       EEXIST, EIO, EPERM), each time or the Nth time only: what a request that was sent twice looks like
//   refuse:CALL:ERROR   CALL (those, and fallocate) does nothing and reports ERROR
//   occupied:ERROR      rename of a folder onto one that is not empty reports ERROR
//   locks               every flock is granted
//   sillyrename         a file that is removed while this process has it open gets the name .nfs... until it is closed
//   squash              every file seems to belong to user 65534
//   host:NAME           the machine's name
// HABITS_TOLD: a file that is made when a lie is told; without it the program made fewer calls than N.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int concerns(const char *path) {
  const char *under = getenv("HABITS_UNDER");
  return under && path && strncmp(path, under, strlen(under)) == 0;
}

static int concerns_file(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return concerns(path);
}

// The rest of the word of HABITS that begins with `start`, or NULL.
static const char *habit(const char *start) {
  static _Thread_local char word[256];
  const char *all = getenv("HABITS");
  while (all && *all) {
    size_t length = strcspn(all, " ");
    if (length < sizeof word && strncmp(all, start, strlen(start)) == 0) {
      memcpy(word, all, length);
      word[length] = 0;
      return word + strlen(start);
    }
    all += length;
    while (*all == ' ') all++;
  }
  return NULL;
}

static int error_number(const char *text) {
  static const struct { const char *name; int code; } codes[] = {
      {"ENOENT", ENOENT}, {"EEXIST", EEXIST}, {"EIO", EIO}, {"EPERM", EPERM}, {"EINVAL", EINVAL}, {"EOPNOTSUPP", EOPNOTSUPP}};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (strncmp(text, codes[i].name, strlen(codes[i].name)) == 0) return codes[i].code;
  return EIO;
}

static int refuses(const char *call) {
  char start[64];
  snprintf(start, sizeof start, "refuse:%s:", call);
  const char *error = habit(start);
  if (error) errno = error_number(error);
  return error != NULL;
}

// What the program is told of a call that returned `result`.
static int told(const char *call, int result) {
  static atomic_int count;
  if (result != 0) return result;
  char start[64];
  snprintf(start, sizeof start, "lie:%s:", call);
  const char *error = habit(start);
  if (!error) return 0;
  const char *when = strchr(error, ':');
  if (when && atomic_fetch_add(&count, 1) + 1 != atoi(when + 1)) return 0;
  const char *mark = getenv("HABITS_TOLD");
  int file = mark ? open(mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1;
  if (file >= 0) close(file);
  errno = error_number(error);
  return -1;
}

int rename(const char *from, const char *to) {
  if (!concerns(to)) return REAL(rename)(from, to);
  if (refuses("rename")) return -1;
  int result = REAL(rename)(from, to);
  const char *error = habit("occupied:");
  if (result != 0 && (errno == ENOTEMPTY || errno == EEXIST) && error) errno = error_number(error);
  return told("rename", result);
}

int link(const char *from, const char *to) {
  if (!concerns(to)) return REAL(link)(from, to);
  return refuses("link") ? -1 : told("link", REAL(link)(from, to));
}

int mkdir(const char *path, mode_t mode) {
  if (!concerns(path)) return REAL(mkdir)(path, mode);
  return refuses("mkdir") ? -1 : told("mkdir", REAL(mkdir)(path, mode));
}

int rmdir(const char *path) {
  if (!concerns(path)) return REAL(rmdir)(path);
  return refuses("rmdir") ? -1 : told("rmdir", REAL(rmdir)(path));
}

long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  int is_rename = number == SYS_renameat2 && concerns((const char *)a[3]);
  if (is_rename && refuses("renameat2")) return -1;
  long result = REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  return is_rename ? told("renameat2", (int)result) : result;
}

int fallocate(int descriptor, int mode, off_t offset, off_t length) {
  if (concerns_file(descriptor) && refuses("fallocate")) return -1;
  return REAL(fallocate)(descriptor, mode, offset, length);
}

int flock(int descriptor, int operation) {
  return habit("locks") && concerns_file(descriptor) ? 0 : REAL(flock)(descriptor, operation);
}

int gethostname(char *name, size_t size) {
  const char *host = habit("host:");
  if (!host) return REAL(gethostname)(name, size);
  snprintf(name, size, "%s", host);
  return 0;
}

// Files that were removed while they were open.
static struct { dev_t device; ino_t inode; char name[4096]; } silly[256];
static atomic_flag guard = ATOMIC_FLAG_INIT;

static int is_open(const struct stat *file) {
  for (int descriptor = 3; descriptor < 1024; descriptor++) {
    struct stat status;
    if (REAL(fstat)(descriptor, &status) == 0 && status.st_dev == file->st_dev && status.st_ino == file->st_ino) return 1;
  }
  return 0;
}

int unlink(const char *path) {
  if (!concerns(path)) return REAL(unlink)(path);
  if (refuses("unlink")) return -1;
  struct stat file;
  if (habit("sillyrename") && REAL(lstat)(path, &file) == 0 && S_ISREG(file.st_mode) && is_open(&file)) {
    int result = -1;
    while (atomic_flag_test_and_set(&guard)) {}
    for (size_t i = 0; i < sizeof silly / sizeof *silly && result; i++) {
      if (silly[i].inode) continue;
      const char *slash = strrchr(path, '/');
      snprintf(silly[i].name, sizeof silly[i].name, "%.*s/.nfs%08lx", (int)(slash - path), path, (long)file.st_ino);
      result = REAL(rename)(path, silly[i].name);
      if (result == 0) silly[i].device = file.st_dev, silly[i].inode = file.st_ino;
    }
    atomic_flag_clear(&guard);
    return told("unlink", result);
  }
  return told("unlink", REAL(unlink)(path));
}

int close(int descriptor) {
  struct stat file;
  int asks = habit("sillyrename") && REAL(fstat)(descriptor, &file) == 0 && S_ISREG(file.st_mode);
  int result = REAL(close)(descriptor);
  if (!asks || is_open(&file)) return result;
  while (atomic_flag_test_and_set(&guard)) {}
  for (size_t i = 0; i < sizeof silly / sizeof *silly; i++) {
    if (silly[i].inode != file.st_ino || silly[i].device != file.st_dev) continue;
    REAL(unlink)(silly[i].name);
    silly[i].inode = 0;
  }
  atomic_flag_clear(&guard);
  return result;
}

static const uid_t nobody = 65534;

int fstat(int descriptor, struct stat *status) {
  int result = REAL(fstat)(descriptor, status);
  if (result == 0 && habit("squash") && concerns_file(descriptor)) status->st_uid = nobody;
  return result;
}

int lstat(const char *path, struct stat *status) {
  int result = REAL(lstat)(path, status);
  if (result == 0 && habit("squash") && concerns(path)) status->st_uid = nobody;
  return result;
}

int stat(const char *path, struct stat *status) {
  int result = REAL(stat)(path, status);
  if (result == 0 && habit("squash") && concerns(path)) status->st_uid = nobody;
  return result;
}
