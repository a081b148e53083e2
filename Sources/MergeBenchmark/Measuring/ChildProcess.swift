import Safetensors

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// A program that was run to its end, with what it used.
struct ChildProcess {
  /// How a program ended.
  enum Ending: Equatable, CustomStringConvertible {
    case status(Int32)
    case signal(Int32)

    var description: String {
      switch self {
      case .status(let status): "ended with status \(status)"
      case .signal(let number): "ended by signal \(number)"
      }
    }
  }

  let duration: Duration
  /// Processor time, in user and system mode, of all threads.
  let processorSeconds: Double
  /// The largest resident set. Linux counts in what the process had before it became the program: the resident set of
  /// this process, ``ownPeakByteCount``.
  let peakByteCount: Int

  /// Runs `command`, the first word of which is looked up in PATH, without input and output.
  ///
  /// - Parameter afterwards: What belongs to the work, and to its duration, when the program has ended.
  /// - Throws: `failed` with the first line of its errors, unless it ended with status 0.
  static func run(
    _ command: [String], afterwards: () throws(BenchmarkError) -> Void = { () throws(BenchmarkError) in }
  ) throws(BenchmarkError) -> ChildProcess {
    try Interruption.check()
    let start = ContinuousClock.now
    let (process, errors) = try spawn(command)
    let message = read(errors)
    var usage = rusage()
    var status: Int32 = 0
    while wait4(process, &status, 0, &usage) < 0 {
      guard errno == EINTR else { throw .system(call: "wait4", path: command[0], code: errno) }
    }
    let ending: Ending = status & 0x7F == 0 ? .status(status >> 8 & 0xFF) : .signal(status & 0x7F)
    guard ending == .status(0) else {
      try Interruption.check()
      let line = message.split(separator: "\n").first.map(String.init) ?? ""
      throw .failed(command: command.joined(separator: " "), ending: ending, message: line)
    }
    try afterwards()
    return ChildProcess(
      duration: ContinuousClock.now - start, processorSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
      peakByteCount: byteCount(usage))
  }

  /// The largest resident set of this process so far.
  static var ownPeakByteCount: Int {
    var usage = rusage()
    #if canImport(Darwin)
    getrusage(RUSAGE_SELF, &usage)
    #else
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    #endif
    return byteCount(usage)
  }

  /// Starts a program whose standard error is a pipe; returns its id and the pipe's end.
  private static func spawn(_ command: [String]) throws(BenchmarkError) -> (pid_t, Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .system(call: "pipe", path: command[0], code: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    #if canImport(Darwin)
    var actions: posix_spawn_file_actions_t?
    #else
    var actions = posix_spawn_file_actions_t()
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    defer { for argument in arguments { free(argument) } }
    arguments.append(nil)
    var process: pid_t = 0
    let code = posix_spawnp(&process, command[0], &actions, nil, arguments, environ)
    close(ends[1])
    guard code == 0 else {
      close(ends[0])
      throw .cannotStart(program: command[0], code: code)
    }
    return (process, ends[0])
  }

  /// All that comes out of a pipe, up to its end or 64 KiB; what is beyond is read and dropped.
  private static func read(_ descriptor: Int32) -> String {
    defer { close(descriptor) }
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      #if canImport(Darwin)
      let count = Darwin.read(descriptor, &buffer, buffer.count)
      #else
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      #endif
      if count < 0, errno == EINTR { continue }
      if count <= 0 { break }
      if text.count < 1 << 16 { text += buffer[..<count] }
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }

  private static func byteCount(_ usage: rusage) -> Int {
    #if canImport(Darwin)
    usage.ru_maxrss
    #else
    usage.ru_maxrss << 10
    #endif
  }
}
