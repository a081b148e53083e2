import CSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Moving file data inside of the kernel, and what the page cache is told.
extension SystemCalls {
  /// What a kernel or a file system says that cannot do a copy or a clone at all, as opposed to one that failed.
  package static let notSupported: Set<Int32> = [EOPNOTSUPP, ENOTSUP, EINVAL, EXDEV, ENOSYS, ENOTTY, EPERM, ETXTBSY]

  /// Copies inside of the kernel; returns how many bytes, fewer where the source ends before.
  static func copyRange(
    from source: Int32, at sourceOffset: Int, to target: Int32, at targetOffset: Int, byteCount: Int
  ) throws(Failure) -> Int {
    var done = 0
    while done < byteCount {
      let position = done
      let count = try check("copy_file_range") {
        sfc_copy_range(
          source, off_t(sourceOffset + position), target, off_t(targetOffset + position), byteCount - position)
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// Lets `target` share blocks of `source`; offsets and `byteCount` are multiples of the file system's block.
  static func cloneRange(
    from source: Int32, at sourceOffset: Int, to target: Int32, at targetOffset: Int, byteCount: Int
  ) throws(Failure) {
    _ = try check("FICLONERANGE") {
      Int(sfc_clone_range(source, off_t(sourceOffset), off_t(byteCount), target, off_t(targetOffset)))
    }
  }

  /// Reads `byteCount` bytes at `offset` to `place` of `buffer`, which has room for them; returns how many the file had.
  static func read(
    _ descriptor: Int32, byteCount: Int, at offset: Int, into buffer: inout [UInt8], place: Int
  ) throws(Failure) -> Int {
    var done = 0
    while done < byteCount {
      let position = done
      let count = try check("pread") {
        unsafe buffer.withUnsafeMutableBytes { bytes in
          let rest = unsafe UnsafeMutableRawBufferPointer(
            rebasing: bytes[place + position..<place + byteCount])
          return unsafe pread(descriptor, rest.baseAddress, rest.count, off_t(offset + position))
        }
      }
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// Gives the file its size without reserving blocks; where a file system cannot, it grows by its last byte.
  package static func setSize(_ descriptor: Int32, byteCount: Int) throws(Failure) {
    do throws(Failure) {
      _ = try check("ftruncate") { Int(ftruncate(descriptor, off_t(byteCount))) }
    } catch {
      guard isNotProvided(error) else { throw error }
      let now = try identity(descriptor).byteCount
      if now == byteCount { return }
      let zero: [UInt8] = [0]
      guard now < byteCount, (try? unsafe write(descriptor, zero.span.bytes, at: byteCount - 1)) != nil else {
        throw error
      }
    }
  }
}
