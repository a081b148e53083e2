import CSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The system calls for files, each wrapped once: EINTR is retried, a failure is returned as its errno.
package enum SystemCalls {
  /// A failed call: its name and errno.
  package struct Failure: Error, Equatable {
    package let call: String
    package let code: Int32

    package init(call: String, code: Int32) {
      self.call = call
      self.code = code
    }
  }

  /// Identifies a file's content: equal values mean that the file was neither written nor replaced in between.
  package struct Identity: Equatable, Hashable, Sendable {
    package let device: UInt64
    package let inode: UInt64
    package let byteCount: Int
    package let modified: Int
    package let modifiedNanoseconds: Int
    /// The change time (ctime) of the file's content or inode, which cannot be set back.
    package let changed: Int
    package let changedNanoseconds: Int
    package let mode: UInt32
    package let owner: UInt32

    package var isRegularFile: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFREG) }
    package var isDirectory: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFDIR) }

    init(_ status: stat) {
      device = UInt64(truncatingIfNeeded: status.st_dev)
      inode = UInt64(truncatingIfNeeded: status.st_ino)
      byteCount = Int(status.st_size)
      #if canImport(Darwin)
      modified = status.st_mtimespec.tv_sec
      modifiedNanoseconds = status.st_mtimespec.tv_nsec
      changed = status.st_ctimespec.tv_sec
      changedNanoseconds = status.st_ctimespec.tv_nsec
      #else
      modified = status.st_mtim.tv_sec
      modifiedNanoseconds = status.st_mtim.tv_nsec
      changed = status.st_ctim.tv_sec
      changedNanoseconds = status.st_ctim.tv_nsec
      #endif
      mode = UInt32(status.st_mode)
      owner = UInt32(status.st_uid)
    }
  }

  package static let noSuchFile = ENOENT
  package static let exists = EEXIST
  package static let notAFolder = ENOTDIR
  /// The errors of renaming a folder over something other than an empty folder.
  package static let folderInTheWay: Set<Int32> = [EEXIST, ENOTEMPTY, ENOTDIR]
  /// The errors of any call on a path that another machine has removed.
  package static let gone: Set<Int32> = [ENOENT, ESTALE]
  /// What calls report where there is no space, or where this user may have no more.
  package static let full: Set<Int32> = [ENOSPC, EDQUOT]
  /// The error of opening a socket or a missing device.
  package static let noSuchDevice = ENXIO
  /// The errors of any call on a path that this user may not access.
  package static let notAllowed: Set<Int32> = [EACCES, EPERM]
  /// The errors of stat for a name that no file can have: too long, or a cycle of links.
  package static let impossibleName: Set<Int32> = [ENAMETOOLONG, ELOOP]

  package static func text(of code: Int32) -> String { unsafe String(cString: strerror(code)) }

  /// Whether a call failed because a path does not exist.
  package static func isAboutMissingPath(_ call: String, _ code: Int32) -> Bool {
    code == noSuchFile && ["open", "stat", "lstat"].contains(call)
  }

  /// What a failed call means for the file or folder that it was about.
  package static func message(of call: String, code: Int32) -> String {
    if isAboutMissingPath(call, code) { return "no such file or folder" }
    let what: String? =
      switch call {
      case "open": "cannot be opened"
      case "stat", "lstat", "fstat": "cannot be accessed"
      case "read", "pread": "cannot be read"
      case "write", "pwrite", "fallocate": "cannot be written"
      case "opendir", "readdir": "cannot be listed"
      case "mkdir": "this folder cannot be created"
      case "rename": "cannot be renamed"
      case "mmap": "cannot be mapped into memory"
      default: nil
      }
    return "\(what ?? call): \(text(of: code))"
  }

  static func check(_ call: String, _ body: () -> Int) throws(Failure) -> Int {
    while true {
      let result = body()
      if result >= 0 { return result }
      let code = errno
      if code != EINTR { throw Failure(call: call, code: code) }
    }
  }

  /// The errors of a kernel or file system that does not support a call, as opposed to a failure.
  private static let notProvided: Set<Int32> = [ENOSYS, EOPNOTSUPP, ENOTSUP, EINVAL, ENOTTY, EPERM]

  static func isNotProvided(_ failure: Failure) -> Bool { notProvided.contains(failure.code) }

  private static func ignoringWhatIsNotProvided(_ body: () throws(Failure) -> Void) throws(Failure) {
    do throws(Failure) { try body() } catch { if !isNotProvided(error) { throw error } }
  }

  /// The hint for a file system that lacks a call without a substitute; nil for any other failure.
  package static func wayOut(of call: String, code: Int32) -> String? {
    if full.contains(code) { return "free some space and run the same command again" }
    guard code == ENOSYS || code == EOPNOTSUPP || code == ENOTSUP || code == ESPIPE else { return nil }
    return "this file system does not support \(call); write the output to a local disk and copy it"
  }

  /// Opens for reading; never blocks on a FIFO.
  package static func openForReading(_ path: String) throws(Failure) -> Int32 {
    Int32(try check("open") { unsafe Int(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) })
  }

  /// Creates a new file; fails if it exists.
  package static func createExclusively(_ path: String, mode: UInt32) throws(Failure) -> Int32 {
    Int32(
      try check("open") {
        unsafe Int(open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_t(mode)))
      })
  }

  /// The block size of file systems: data that begins at a multiple of it can share blocks with another file.
  package static let blockByteCount = 4096

  package static func close(_ descriptor: Int32) throws(Failure) {
    #if canImport(Darwin)
    let result = Darwin.close(descriptor)
    #elseif canImport(Musl)
    let result = Musl.close(descriptor)
    #else
    let result = Glibc.close(descriptor)
    #endif
    // After EINTR, close has closed the descriptor on Linux: it must not be retried.
    if result != 0, errno != EINTR { throw Failure(call: "close", code: errno) }
  }

  package static func identity(_ descriptor: Int32) throws(Failure) -> Identity {
    var status = stat()
    _ = try check("fstat") { unsafe Int(fstat(descriptor, &status)) }
    return Identity(status)
  }

  /// The identity of the file at `path`, following links; nil if there is no such file.
  package static func identity(path: String, followingLinks: Bool = true) throws(Failure) -> Identity? {
    var status = stat()
    do throws(Failure) {
      _ = try check("stat") { unsafe Int(followingLinks ? stat(path, &status) : lstat(path, &status)) }
    } catch {
      if error.code == ENOENT || error.code == ENOTDIR { return nil }
      throw error
    }
    return Identity(status)
  }

  /// Reads `byteCount` bytes at `offset`, or fewer if the file ends earlier.
  package static func read(_ descriptor: Int32, byteCount: Int, at offset: Int) throws(Failure) -> [UInt8] {
    var failure: Failure?
    // The buffer is not cleared first: headers are large, and every page would be touched twice.
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initializedCount in
      do throws(Failure) {
        while initializedCount < byteCount {
          let position = initializedCount
          let count = try check("pread") {
            unsafe pread(
              descriptor, buffer.baseAddress! + position, byteCount - position, off_t(offset + position))
          }
          if count == 0 { return }
          initializedCount += count
        }
      } catch { failure = error }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Reads the next `byteCount` bytes of a stream, or fewer if it ends earlier.
  package static func readNext(_ descriptor: Int32, byteCount: Int) throws(Failure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    var done = 0
    while done < byteCount {
      let position = done
      let count = try check("read") {
        unsafe bytes.withUnsafeMutableBytes { buffer in
          let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[position...])
          #if canImport(Darwin)
          return unsafe Darwin.read(descriptor, rest.baseAddress, rest.count)
          #elseif canImport(Musl)
          return unsafe Musl.read(descriptor, rest.baseAddress, rest.count)
          #else
          return unsafe Glibc.read(descriptor, rest.baseAddress, rest.count)
          #endif
        }
      }
      if count == 0 { break }
      done += count
    }
    bytes.removeLast(byteCount - done)
    return bytes
  }

  /// Writes all of `bytes` at `offset`.
  package static func write(_ descriptor: Int32, _ bytes: RawSpan, at offset: Int) throws(Failure) {
    var written = 0
    while written < bytes.byteCount {
      let position = written
      let count = try check("pwrite") {
        unsafe bytes.withUnsafeBytes { buffer in
          unsafe pwrite(descriptor, buffer.baseAddress! + position, buffer.count - position, off_t(offset + position))
        }
      }
      if count == 0 { throw Failure(call: "pwrite", code: EIO) }
      written += count
    }
  }

  /// Reserves blocks of a file, so that a full disk is detected before the work starts; does nothing if the
  /// file system does not support it.
  package static func allocate(_ descriptor: Int32, _ range: Range<Int>) throws(Failure) {
    guard !range.isEmpty else { return }
    do throws(Failure) {
      _ = try check("fallocate") { Int(sfc_allocate(descriptor, off_t(range.lowerBound), off_t(range.count))) }
    } catch { if !isNotProvided(error) { throw error } }
  }

  /// Flushes the file's data to disk.
  package static func synchronizeData(_ descriptor: Int32) throws(Failure) {
    #if canImport(Darwin)
    if unsafe fcntl(descriptor, F_FULLFSYNC) == 0 { return }
    _ = try check("fsync") { Int(fsync(descriptor)) }
    #else
    do throws(Failure) {
      _ = try check("fdatasync") { Int(fdatasync(descriptor)) }
    } catch {
      guard isNotProvided(error) else { throw error }
      try ignoringWhatIsNotProvided { () throws(Failure) in _ = try check("fsync") { Int(fsync(descriptor)) } }
    }
    #endif
  }

  /// Flushes a folder's entries to disk.
  package static func synchronizeFolder(_ path: String) throws(Failure) {
    let descriptor = try openForReading(path)
    defer { try? close(descriptor) }
    // Some network file systems have no fsync for folders.
    try ignoringWhatIsNotProvided { () throws(Failure) in _ = try check("fsync") { Int(fsync(descriptor)) } }
  }

  /// Sets the permissions of an open file; does nothing on a file system without permissions.
  package static func setMode(_ descriptor: Int32, _ mode: UInt32) throws(Failure) {
    try ignoringWhatIsNotProvided { () throws(Failure) in
      _ = try check("fchmod") { Int(fchmod(descriptor, mode_t(mode))) }
    }
  }

  /// Sets the permissions of the file at `path`.
  package static func setMode(path: String, _ mode: UInt32) throws(Failure) {
    try ignoringWhatIsNotProvided { () throws(Failure) in
      _ = try check("chmod") { unsafe Int(chmod(path, mode_t(mode))) }
    }
  }

  /// The permission bits that the user's umask removes from new files.
  package static let userMask: UInt32 = {
    let mask = umask(0o077)
    umask(mask)
    return UInt32(mask)
  }()

  /// The names in a folder without "." and "..", sorted by bytes. Names that are not UTF-8 are left out, because a
  /// string cannot hold them: see ``unreadableEntries(ofFolder:)``.
  package static func entries(ofFolder path: String) throws(Failure) -> [String] {
    try rawEntries(ofFolder: path).compactMap { String(validating: $0, as: UTF8.self) }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// The names in a folder that are not UTF-8, with an escape such as `\xFF` for each invalid byte. They cannot be
  /// opened.
  package static func unreadableEntries(ofFolder path: String) throws(Failure) -> [String] {
    try rawEntries(ofFolder: path).filter { String(validating: $0, as: UTF8.self) == nil }
      .map(TextBytes.escaped).sorted()
  }

  private static func rawEntries(ofFolder path: String) throws(Failure) -> [[UInt8]] {
    guard let stream = unsafe opendir(path) else { throw Failure(call: "opendir", code: errno) }
    defer { unsafe closedir(stream) }
    var names: [[UInt8]] = []
    while true {
      errno = 0
      guard let entry = unsafe readdir(stream) else { break }
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe Array(bytes.prefix { $0 != 0 })
      }
      if name != [UInt8(ascii: ".")], name != Array("..".utf8) { names.append(name) }
    }
    if errno != 0 { throw Failure(call: "readdir", code: errno) }
    return names
  }

  /// The path without links and dots, for comparison with other such paths; nil if it does not exist.
  ///
  /// Two results are equal exactly if the paths' bytes are. A path that is not UTF-8 is returned in a form that differs
  /// from all other paths and cannot be opened.
  package static func realPath(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return TextBytes.distinct(unsafe Array(UnsafeRawBufferPointer(start: resolved, count: strlen(resolved))))
  }

  /// Maps a whole file for reading; `byteCount` is over 0.
  static func map(_ descriptor: Int32, byteCount: Int) throws(Failure) -> UnsafeRawPointer {
    let address = unsafe mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let address = unsafe address, unsafe address != MAP_FAILED else { throw Failure(call: "mmap", code: errno) }
    return UnsafeRawPointer(address)
  }

  static func unmap(_ address: UnsafeRawPointer, byteCount: Int) {
    _ = unsafe munmap(UnsafeMutableRawPointer(mutating: address), byteCount)
  }
}
