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
  /// What `lock` says where the file system has no locks.
  private static let noLocks: Set<Int32> = [ENOSYS, EOPNOTSUPP, ENOTSUP, ENOLCK, EINVAL, ENOTTY]

  package enum LockResult { case taken, busy, unsupported }

  /// Opens a file that this program made before, to write on.
  package static func openForWriting(_ path: String) throws(Failure) -> Int32 {
    Int32(try check("open") { unsafe Int(open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)) })
  }

  /// Opens a file, which is made if it is not there.
  package static func openOrCreate(_ path: String, mode: UInt32) throws(Failure) -> Int32 {
    Int32(
      try check("open") {
        unsafe Int(open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode_t(mode)))
      })
  }

  /// Takes the lock of an open file, which goes with the process; does not wait for it.
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

  /// Bytes that this user may still write to the file system that holds `path`; nil where it does not say.
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

  /// Bytes that a file takes on its disk.
  package static func occupiedByteCount(_ path: String) throws(Failure) -> Int {
    var status = stat()
    _ = try check("stat") { unsafe Int(lstat(path, &status)) }
    return Int(status.st_blocks) * 512
  }
}
