/// Calls of the kernel that move file data without the program's memory, tell the page cache what comes, rename and lock: those
/// that Swift's C library module does not show, or not everywhere. Where a system has none, they fail with ENOTSUP.
#ifndef CFILECALLS_H
#define CFILECALLS_H

#include <stddef.h>
#include <sys/types.h>

/// Copies inside of the kernel (copy_file_range); returns how many bytes were copied, 0 at the end of `from`, or -1 and
/// errno.
ssize_t sfc_copy_range(int from, off_t from_offset, int to, off_t to_offset, size_t byte_count);

/// Lets `to` share the blocks of `from` (FICLONERANGE); all numbers are multiples of the file system's block. 0, or -1 and
/// errno.
int sfc_clone_range(int from, off_t from_offset, off_t byte_count, int to, off_t to_offset);

/// Starts to write dirty pages to the disk and does not wait for them (sync_file_range).
void sfc_start_writing(int descriptor, off_t offset, off_t byte_count);

/// Reads pages ahead.
void sfc_will_need(int descriptor, off_t offset, off_t byte_count);

/// Takes clean pages out of the page cache.
void sfc_drop(int descriptor, off_t offset, off_t byte_count);

/// Whether the byte at `offset` can be read without the disk: 1 or 0; -1 where the system cannot tell.
int sfc_is_cached(int descriptor, off_t offset);

/// Tells others who ask in the same way that the file is being read (an open file description lock). 0, or -1 and errno.
int sfc_share(int descriptor);

/// Whether somebody else told that of the file: 1 or 0; -1 where the system cannot tell.
int sfc_is_shared(int descriptor);

/// Reserves blocks for a range (fallocate), without writing any: what posix_fallocate does by writing a byte a block where a
/// file system cannot fails here with EOPNOTSUPP. 0, or -1 and errno.
int sfc_allocate(int descriptor, off_t offset, off_t byte_count);

/// Whether the file lives in memory (tmpfs, ramfs).
int sfc_is_in_memory(int descriptor);

/// Gives a file or folder another name, which must be free (renameat2 RENAME_NOREPLACE, renamex_np RENAME_EXCL). 0, or -1
/// and errno.
int sfc_rename_new(const char *from, const char *to);

/// Exchanges two names (RENAME_EXCHANGE, RENAME_SWAP). 0, or -1 and errno.
int sfc_exchange(const char *one, const char *other);

/// Takes a file's lock without waiting for it (flock). 0, or -1 and errno.
int sfc_lock(int descriptor);

/// Gives a file's lock back, for all copies of its descriptor too (flock). 0, or -1 and errno.
int sfc_unlock(int descriptor);

/// Writes what tells this start of the machine from others, with a NUL behind it; -1 where the system does not say.
int sfc_boot_id(char *text, size_t capacity);

#endif
