import Checkpoints
import JSONText
import Platform
import Safetensors
import Synchronization

/// The lock of a staging folder: a second run to the same output finds it taken and ends.
///
/// It is a lock of the kernel (flock), which ends with the process that holds it, however that ends. If a file system
/// has none (some network file systems), it is a file that only one process can create; a killed process leaves it, and
/// the user must ask for its removal.
final class StagingLock: Sendable {
  /// The holder of a lock, as recorded in the lock file.
  struct Holder: Equatable, Sendable {
    let host: String
    let process: Int
    let boot: String

    static var current: Holder {
      Holder(host: Machine.hostName, process: Int(Machine.processID), boot: Machine.bootID)
    }

    var text: [UInt8] {
      var writer = JSONWriter()
      writer.beginObject()
      writer.key("host")
      writer.value(host)
      writer.key("pid")
      writer.value(process)
      writer.key("boot")
      writer.value(boot)
      writer.end()
      return writer.bytes
    }

    init(host: String, process: Int, boot: String) {
      self.host = host
      self.process = process
      self.boot = boot
    }

    /// Parses the file at `path`; nil if it names no holder.
    init?(path: String) {
      guard let bytes = try? BoundedFile.read(path, limit: 1 << 12), let value = try? JSONParser.parse(bytes.span),
        let host = value.string("host"), let process = value.integer("pid"), let boot = value.string("boot")
      else { return nil }
      self.init(host: host, process: process, boot: boot)
    }

    /// Whether it is a process of this machine, since the machine's last start.
    private var isHere: Bool { host == Machine.hostName && boot == Machine.bootID }
    private var isAlive: Bool { Int32(exactly: process).map { Machine.isAlive($0) } ?? false }
    var isAliveHere: Bool { isHere && isAlive }
    var isDeadHere: Bool { isHere && !isAlive }
  }

  private let descriptor: Int32
  let path: String
  private let isClosed = Atomic<Bool>(false)

  /// Takes the lock of `folder`.
  ///
  /// - Parameters:
  ///   - breaks: Whether the lock is taken from a holder that does not appear to run on this machine.
  ///   - usesKernel: Whether the kernel's lock is tried.
  /// - Throws: `inUse`, or the failure of a system call; ENOENT if the folder is gone.
  init(folder: String, breaks: Bool, usesKernel: Bool = true) throws(CheckpointError) {
    if usesKernel {
      let path = Paths.join(folder, Self.kernelName)
      if let descriptor = try Self.takeKernelLock(path, breaks: breaks) {
        (self.descriptor, self.path) = (descriptor, path)
        return
      }
    }
    path = Paths.join(folder, Self.exclusiveName)
    descriptor = try Self.makeLockFile(path, breaks: breaks)
  }

  /// The open and locked file; nil if the file system has no locks.
  private static func takeKernelLock(_ path: String, breaks: Bool) throws(CheckpointError) -> Int32? {
    while true {
      let descriptor = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
        try SystemCalls.openOrCreate(path, mode: 0o600)
      }
      do throws(CheckpointError) {
        let result = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
          try SystemCalls.lock(descriptor)
        }
        switch result {
        case .taken:
          // The run that held it may have removed the file in the meantime; then this lock protects nothing.
          let (own, named) = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
            (try SystemCalls.identity(descriptor), try SystemCalls.identity(path: path, followingLinks: false))
          }
          if own.inode == named?.inode {
            try write(Holder.current, to: descriptor, path)
            return descriptor
          }
        case .busy:
          try checkBreakable(path, breaks: breaks)
        case .unsupported:
          try? SystemCalls.close(descriptor)
          try? SystemCalls.removeFile(path)
          return nil
        }
      } catch {
        try? SystemCalls.close(descriptor)
        throw error
      }
      try? SystemCalls.close(descriptor)
    }
  }

  private static func makeLockFile(_ path: String, breaks: Bool) throws(CheckpointError) -> Int32 {
    while true {
      let descriptor: Int32
      do throws(SystemCalls.Failure) { descriptor = try SystemCalls.createExclusively(path, mode: 0o600) } catch {
        guard error.code == SystemCalls.exists else {
          throw CheckpointError(path: path, .system(call: error.call, code: error.code))
        }
        try checkBreakable(path, breaks: breaks)
        continue
      }
      try write(Holder.current, to: descriptor, path)
      return descriptor
    }
  }

  /// Removes a lock that may be broken.
  private static func checkBreakable(_ path: String, breaks: Bool) throws(CheckpointError) {
    let holder = Holder(path: path)
    guard breaks, holder?.isAliveHere != true else {
      throw CheckpointError(
        path: Paths.folder(path),
        .inUse(host: holder?.host, process: holder?.process, isDead: holder?.isDeadHere ?? false))
    }
    try? SystemCalls.removeFile(path)
  }

  /// Whether the lock of `folder` is held, and by which process; nothing is changed.
  ///
  /// A lock that is a file counts as held unless its process is known to be dead.
  static func state(ofFolder folder: String) -> (isHeld: Bool, process: Int?) {
    let exclusive = Paths.join(folder, exclusiveName)
    if (try? SystemCalls.identity(path: exclusive, followingLinks: false)) != nil {
      let holder = Holder(path: exclusive)
      return (holder?.isDeadHere != true, holder?.process)
    }
    let path = Paths.join(folder, kernelName)
    guard let descriptor = try? SystemCalls.openForWriting(path) else { return (false, nil) }
    defer { try? SystemCalls.close(descriptor) }
    if (try? SystemCalls.lock(descriptor)) == .busy { return (true, Holder(path: path)?.process) }
    SystemCalls.unlock(descriptor)
    return (false, nil)
  }

  /// Whether a run held the lock of `folder` and has ended.
  static func isAbandoned(folder: String) -> Bool {
    let names = (try? SystemCalls.entries(ofFolder: folder)) ?? []
    return (names.contains(kernelName) || names.contains(exclusiveName)) && !state(ofFolder: folder).isHeld
  }

  private static let kernelName = "lock"
  private static let exclusiveName = "lock.exclusive"

  /// Writes into the held lock file; removes one that cannot be written.
  private static func write(_ holder: Holder, to descriptor: Int32, _ path: String) throws(CheckpointError) {
    do throws(SystemCalls.Failure) {
      var text = holder.text
      do throws(SystemCalls.Failure) { try SystemCalls.setSize(descriptor, byteCount: 0) } catch {
        // A file that cannot be truncated is padded: white space after a value is valid JSON.
        let rest = try SystemCalls.identity(descriptor).byteCount - text.count
        text += [UInt8](repeating: UInt8(ascii: " "), count: max(0, rest))
      }
      try unsafe SystemCalls.write(descriptor, text.span.bytes, at: 0)
    } catch {
      try? SystemCalls.removeFile(path)
      throw CheckpointError(path: path, .system(call: error.call, code: error.code))
    }
  }

  /// Removes the lock file while it is held: a later process that opens the name locks another file. A broken lock
  /// belongs to its new holder.
  func release() {
    let own = try? SystemCalls.identity(descriptor)
    if let own, (try? SystemCalls.identity(path: path, followingLinks: false))?.inode == own.inode {
      try? SystemCalls.removeFile(path)
    }
    close()
  }

  /// Done before the folder is removed: NFS keeps an open file in it under another name.
  private func close() {
    guard !isClosed.exchange(true, ordering: .relaxed) else { return }
    SystemCalls.unlock(descriptor)
    try? SystemCalls.close(descriptor)
  }

  deinit { close() }
}
