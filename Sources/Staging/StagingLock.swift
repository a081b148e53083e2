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
///
/// Some file systems give the lock to everybody who asks. Therefore the lock file names the run that took it last: the
/// others find that out with ``isHeld`` and stop.
final class StagingLock: Sendable {
  /// The holder of a lock, as recorded in the lock file.
  struct Holder: Equatable, Sendable {
    let host: String
    let process: Int
    let boot: String
    /// When the process started, which tells it from a later one of the same number; empty if that is not known.
    var start = ""
    /// Tells the run from all others.
    var token = ""
    /// Where `process` is its number: `Machine.processSpace`; empty if that is not known.
    var space = ""

    /// This process, in a run of its own.
    static func current() -> Holder {
      let process = Machine.processID
      return Holder(
        host: Machine.hostName, process: Int(process), boot: Machine.bootID, start: Machine.start(ofProcess: process),
        token: RandomToken.make(), space: Machine.processSpace)
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
      writer.key("start")
      writer.value(start)
      writer.key("token")
      writer.value(token)
      writer.member("space", space)
      writer.end()
      // Always the same size, so that a reader with an old size reads all of it. White space after a value is valid JSON.
      return writer.bytes + [UInt8](repeating: UInt8(ascii: " "), count: max(0, Self.byteCount - writer.bytes.count))
    }

    private static let byteCount = 512

    init(
      host: String, process: Int, boot: String, start: String = "", token: String = "", space: String = ""
    ) {
      self.host = host
      self.process = process
      self.boot = boot
      self.start = start
      self.token = token
      self.space = space
    }

    /// Parses the file at `path`; nil if it names no holder.
    init?(path: String) {
      guard let bytes = try? BoundedFile.read(path, limit: 1 << 12), let value = try? JSONParser.parse(bytes.span),
        let host = value.string("host"), let process = value.integer("pid"), let boot = value.string("boot")
      else { return nil }
      self.init(
        host: host, process: process, boot: boot, start: value.string("start") ?? "",
        token: value.string("token") ?? "", space: value.string("space") ?? "")
    }

    /// Whether it is a process of this machine, since the machine's last start, and not of a container that numbers its own.
    private var isHere: Bool {
      host == Machine.hostName && boot == Machine.bootID && (space.isEmpty || space == Machine.processSpace)
    }
    private var isAlive: Bool {
      guard let number = Int32(exactly: process), Machine.isAlive(number) else { return false }
      return start.isEmpty || start == Machine.start(ofProcess: number)
    }
    /// Whether it is another process that certainly runs.
    var isOtherHere: Bool { isAliveHere && !start.isEmpty && process != Int(Machine.processID) }
    var isAliveHere: Bool { isHere && isAlive }
    var isDeadHere: Bool { isHere && !isAlive }
    /// Whether it ran on this machine and does not any more, because it or the machine was stopped.
    var hasEnded: Bool { isDeadHere || host == Machine.hostName && boot != Machine.bootID }
  }

  private let descriptor: Int32
  private let holder: Holder
  let path: String
  /// Whether a run that had the lock before may still be working: it ran on another machine and did not give the lock back.
  let mayHaveCompany: Bool
  private let isClosed = Atomic<Bool>(false)

  /// Takes the lock of `folder`.
  ///
  /// - Parameters:
  ///   - breaks: Whether the lock is taken from a holder that does not appear to run on this machine.
  ///   - usesKernel: Whether the kernel's lock is tried.
  /// - Throws: `inUse`, or the failure of a system call; ENOENT if the folder is gone.
  init(folder: String, breaks: Bool, usesKernel: Bool = true) throws(CheckpointError) {
    let holder = Holder.current()
    self.holder = holder
    if usesKernel {
      let path = Paths.join(folder, Self.kernelName)
      if let taken = try Self.takeKernelLock(path, holder, breaks: breaks) {
        (descriptor, mayHaveCompany) = (taken.descriptor, taken.mayHaveCompany)
        self.path = path
        return
      }
    }
    path = Paths.join(folder, Self.exclusiveName)
    (descriptor, mayHaveCompany) = try Self.makeLockFile(path, holder, breaks: breaks)
  }

  /// Tells this run from all others.
  var token: String { holder.token }

  /// Whether no other run has taken the lock since.
  var isHeld: Bool { Holder(path: path) == holder }

  /// The run that took the lock since; nil if it is not known.
  var successor: Holder? { Holder(path: path).flatMap { $0 == holder ? nil : $0 } }

  private typealias Taken = (descriptor: Int32, mayHaveCompany: Bool)

  /// The open and locked file; nil if the file system has no locks.
  private static func takeKernelLock(
    _ path: String, _ holder: Holder, breaks: Bool
  ) throws(CheckpointError) -> Taken? {
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
            let before = Holder(path: path)
            // The file system gave the lock although its holder runs.
            if before?.isOtherHere == true { throw inUse(path, before) }
            try write(holder, to: descriptor, path)
            return (descriptor, Self.mayRun(before))
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

  /// Whether the process of a holder that did not give the lock back may still run.
  private static func mayRun(_ holder: Holder?) -> Bool {
    guard let holder, !holder.hasEnded else { return false }
    return holder.process != Int(Machine.processID) || !holder.isAliveHere
  }

  private static func inUse(_ path: String, _ holder: Holder?) -> CheckpointError {
    CheckpointError(
      path: Paths.folder(path),
      .inUse(host: holder?.host, process: holder?.process, isDead: holder?.isDeadHere ?? false))
  }

  private static func makeLockFile(
    _ path: String, _ holder: Holder, breaks: Bool
  ) throws(CheckpointError) -> Taken {
    var mayHaveCompany = false
    while true {
      let descriptor: Int32
      do throws(SystemCalls.Failure) { descriptor = try SystemCalls.createExclusively(path, mode: 0o600) } catch {
        guard error.code == SystemCalls.exists else {
          throw CheckpointError(path: path, .system(call: error.call, code: error.code))
        }
        mayHaveCompany = Self.mayRun(Holder(path: path))
        try checkBreakable(path, breaks: breaks)
        continue
      }
      try write(holder, to: descriptor, path)
      return (descriptor, mayHaveCompany)
    }
  }

  /// Removes a lock that may be broken.
  private static func checkBreakable(_ path: String, breaks: Bool) throws(CheckpointError) {
    let holder = Holder(path: path)
    guard breaks, holder?.isAliveHere != true else {
      throw inUse(path, holder)
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
    let holder = Holder(path: path)
    if (try? SystemCalls.lock(descriptor)) == .busy { return (true, holder?.process) }
    SystemCalls.unlock(descriptor)
    return holder?.isOtherHere == true ? (true, holder?.process) : (false, nil)
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
      // Not truncated first: another run would find it empty.
      let rest = try SystemCalls.identity(descriptor).byteCount - text.count
      text += [UInt8](repeating: UInt8(ascii: " "), count: max(0, rest))
      try unsafe SystemCalls.write(descriptor, text.span.bytes, at: 0)
    } catch {
      try? SystemCalls.removeFile(path)
      throw CheckpointError(path: path, .system(call: error.call, code: error.code))
    }
  }

  /// Removes the lock file while it is held: a later process that opens the name locks another file. A broken lock
  /// belongs to its new holder.
  func release() {
    if isHeld { try? SystemCalls.removeFile(path) }
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
