#if defined(__linux__)
#define _GNU_SOURCE
#endif

#include "CFileCalls.h"

#include <errno.h>
#include <sys/file.h>

#if defined(__linux__)

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

ssize_t sfc_copy_range(int from, off_t from_offset, int to, off_t to_offset, size_t byte_count) {
  return copy_file_range(from, &from_offset, to, &to_offset, byte_count, 0);
}

int sfc_clone_range(int from, off_t from_offset, off_t byte_count, int to, off_t to_offset) {
  struct file_clone_range range = {
      .src_fd = from,
      .src_offset = (__u64)from_offset,
      .src_length = (__u64)byte_count,
      .dest_offset = (__u64)to_offset,
  };
  return ioctl(to, FICLONERANGE, &range);
}

void sfc_start_writing(int descriptor, off_t offset, off_t byte_count) {
  (void)sync_file_range(descriptor, offset, byte_count, SYNC_FILE_RANGE_WRITE);
}

void sfc_will_need(int descriptor, off_t offset, off_t byte_count) {
  (void)posix_fadvise(descriptor, offset, byte_count, POSIX_FADV_WILLNEED);
}

void sfc_drop(int descriptor, off_t offset, off_t byte_count) {
  (void)posix_fadvise(descriptor, offset, byte_count, POSIX_FADV_DONTNEED);
}

int sfc_is_cached(int descriptor, off_t offset) {
  char byte;
  struct iovec one = {.iov_base = &byte, .iov_len = 1};
  ssize_t count = preadv2(descriptor, &one, 1, offset, RWF_NOWAIT);
  if (count == 1) return 1;
  return count < 0 && errno == EAGAIN ? 0 : -1;
}

// One byte at an offset that no file has: nobody who locks a part of the file's content meets it.
static struct flock use(short type) {
  return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = INT64_MAX - 1, .l_len = 1};
}

int sfc_share(int descriptor) {
  struct flock lock = use(F_RDLCK);
  return fcntl(descriptor, F_OFD_SETLK, &lock);
}

int sfc_is_shared(int descriptor) {
  struct flock lock = use(F_WRLCK);
  if (fcntl(descriptor, F_OFD_GETLK, &lock) != 0) return -1;
  return lock.l_type != F_UNLCK;
}

int sfc_allocate(int descriptor, off_t offset, off_t byte_count) {
  return fallocate(descriptor, 0, offset, byte_count);
}

int sfc_is_in_memory(int descriptor) {
  struct statfs status;
  if (fstatfs(descriptor, &status) != 0) return 0;
  return status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC;
}

// By number: musl's headers have renameat2 since 1.2.5 only.
int sfc_rename_new(const char *from, const char *to) {
  return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 1 /* RENAME_NOREPLACE */);
}

int sfc_exchange(const char *one, const char *other) {
  return (int)syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other, 2 /* RENAME_EXCHANGE */);
}

int sfc_boot_id(char *text, size_t capacity) {
  if (capacity == 0) return -1;
  int descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  ssize_t count = read(descriptor, text, capacity - 1);
  close(descriptor);
  if (count <= 0) return -1;
  if (text[count - 1] == '\n') count--;
  text[count] = 0;
  return 0;
}

#else

#include <stdio.h>
#include <sys/sysctl.h>

ssize_t sfc_copy_range(int from, off_t from_offset, int to, off_t to_offset, size_t byte_count) {
  (void)from, (void)from_offset, (void)to, (void)to_offset, (void)byte_count;
  errno = ENOTSUP;
  return -1;
}

int sfc_clone_range(int from, off_t from_offset, off_t byte_count, int to, off_t to_offset) {
  (void)from, (void)from_offset, (void)byte_count, (void)to, (void)to_offset;
  errno = ENOTSUP;
  return -1;
}

void sfc_start_writing(int descriptor, off_t offset, off_t byte_count) {
  (void)descriptor, (void)offset, (void)byte_count;
}

void sfc_will_need(int descriptor, off_t offset, off_t byte_count) {
  (void)descriptor, (void)offset, (void)byte_count;
}

void sfc_drop(int descriptor, off_t offset, off_t byte_count) {
  (void)descriptor, (void)offset, (void)byte_count;
}

int sfc_is_cached(int descriptor, off_t offset) {
  (void)descriptor, (void)offset;
  return -1;
}

int sfc_share(int descriptor) {
  (void)descriptor;
  errno = ENOTSUP;
  return -1;
}

int sfc_is_shared(int descriptor) {
  (void)descriptor;
  return -1;
}

int sfc_allocate(int descriptor, off_t offset, off_t byte_count) {
  (void)descriptor, (void)offset, (void)byte_count;
  errno = ENOTSUP;
  return -1;
}

int sfc_is_in_memory(int descriptor) {
  (void)descriptor;
  return 0;
}

int sfc_rename_new(const char *from, const char *to) { return renamex_np(from, to, RENAME_EXCL); }

int sfc_exchange(const char *one, const char *other) { return renamex_np(one, other, RENAME_SWAP); }

int sfc_boot_id(char *text, size_t capacity) {
  return sysctlbyname("kern.bootsessionuuid", text, &capacity, 0, 0);
}

#endif

int sfc_lock(int descriptor) { return flock(descriptor, LOCK_EX | LOCK_NB); }

int sfc_unlock(int descriptor) { return flock(descriptor, LOCK_UN); }
