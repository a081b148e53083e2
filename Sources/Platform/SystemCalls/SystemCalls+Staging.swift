import CSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// What work that may be interrupted and continued needs of the system: locks and room.
extension SystemCalls {
  /// The errors of `lock` on a file system without locks.
  private static let noLocks: Set<Int32> = [ENOSYS, EOPNOTSUPP, ENOTSUP, ENOLCK, EINVAL, ENOTTY]

  package enum LockResult { case taken, busy, unsupported }

  /// Opens a file that an earlier run created, to continue it.
  package static func openForWriting(_ path: String) throws(Failure) -> Int32 {
    Int32(try check("open") { unsafe Int(open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)) })
  }

  /// Opens a file and creates it if necessary.
  package static func openOrCreate(_ path: String, mode: UInt32) throws(Failure) -> Int32 {
    Int32(
      try check("open") {
        unsafe Int(open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode_t(mode)))
      })
  }

  /// Tries to lock an open file, without waiting. The lock ends with the process.
  package static func lock(_ descriptor: Int32) throws(Failure) -> LockResult {
    do throws(Failure) {
      _ = try check("flock") { Int(sfc_lock(descriptor)) }
      return .taken
    } catch {
      if error.code == EWOULDBLOCK { return .busy }
      if noLocks.contains(error.code) { return .unsupported }
      throw error
    }
  }

  /// Gives the lock of an open file back.
  ///
  /// Closing the file does not suffice: a process that was just started has copies of all descriptors until it executes its
  /// program, and they hold the lock.
  package static func unlock(_ descriptor: Int32) { _ = sfc_unlock(descriptor) }

  /// Bytes that this user may still write to the file system of `path`; nil if it does not report that.
  package static func freeByteCount(_ path: String) throws(Failure) -> Int? {
    var status = statvfs()
    do throws(Failure) {
      _ = try check("statvfs") { unsafe Int(statvfs(path, &status)) }
    } catch {
      if isNotProvided(error) { return nil }
      throw error
    }
    guard status.f_blocks > 0 else { return nil }
    let (bytes, overflow) = Int(status.f_bavail).multipliedReportingOverflow(by: Int(status.f_frsize))
    return overflow ? nil : bytes
  }

  /// Bytes that a file occupies on disk.
  package static func occupiedByteCount(_ path: String) throws(Failure) -> Int {
    var status = stat()
    _ = try check("stat") { unsafe Int(lstat(path, &status)) }
    return Int(status.st_blocks) * 512
  }
}
