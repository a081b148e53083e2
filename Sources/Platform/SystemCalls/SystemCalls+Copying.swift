import CSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Copying file data in the kernel, and page cache hints.
extension SystemCalls {
  /// The errors of a kernel or file system without support for a copy or a clone, as opposed to a failure.
  package static let notSupported: Set<Int32> = [EOPNOTSUPP, ENOTSUP, EINVAL, EXDEV, ENOSYS, ENOTTY, EPERM, ETXTBSY]

  /// Copies in the kernel; returns the number of bytes, which is lower if the source ends earlier.
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

  /// Reads `byteCount` bytes at `offset` to `place` of `buffer`, which has room for them; returns how many were read.
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

  /// Sets the file's size without reserving blocks; if a file system cannot, writes the last byte instead.
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
