import Checkpoints
import Checksums
import JSONText
import Platform
import Safetensors
import Synchronization

/// The progress of a weight file that is being written: a file beside it that grows by one line at a time.
///
/// A line is valid after a kill, when the kernel still has the written data: as long as the machine has not been
/// restarted since. A line that is marked as flushed is valid after a power failure too: the data was flushed before
/// the line was written. Merges of a few seconds write no line and flush nothing.
package final class ShardJournal: Sendable {
  /// When to write lines.
  struct Intervals: Sendable {
    /// Bytes of the weight file, or time, between two lines.
    var lineByteCount = 256 << 20
    var line = Duration.seconds(2)
    /// Time between two flushes of the data to disk.
    var synchronization = Duration.seconds(30)
  }

  /// One line: everything that was done so far.
  struct Line {
    let inode: UInt64
    let inputs: [InputState]
    /// The boot in which the line is valid; nil if it is always valid.
    let boot: String?
    let done: ByteRanges
  }

  private struct State {
    var done: ByteRanges
    var byteCountOfLine = 0
    var lastLine = ContinuousClock.now
    var lastSynchronization = ContinuousClock.now
    var isSynchronizing = false
    var descriptor: Int32?
    var byteCount = 0
  }

  private let path: String
  private let inode: UInt64
  private let inputs: [InputState]
  private let intervals: Intervals
  private let state: Mutex<State>

  /// - Parameters:
  ///   - inode: The weight file's inode.
  ///   - done: The ranges that are already done.
  init(path: String, inode: UInt64, inputs: [InputState], done: ByteRanges, intervals: Intervals = Intervals()) {
    self.path = path
    self.inode = inode
    self.inputs = inputs
    self.intervals = intervals
    state = Mutex(State(done: done))
  }

  /// Records that bytes of the file are written.
  ///
  /// - Parameter file: The file, which is flushed from time to time.
  package func add(_ range: Range<Int>, of file: OutputFile) throws {
    let synchronized = try state.withLock { state -> ByteRanges? in
      state.done.insert(range)
      state.byteCountOfLine += range.count
      let now = ContinuousClock.now
      if state.byteCountOfLine >= intervals.lineByteCount || now - state.lastLine >= intervals.line {
        try append(boot: Machine.bootID, state.done, &state)
      }
      guard !state.isSynchronizing, now - state.lastSynchronization >= intervals.synchronization else { return nil }
      state.isSynchronizing = true
      return state.done
    }
    guard let synchronized else { return }
    try file.synchronize()
    try state.withLock { state in
      try append(boot: nil, synchronized, &state)
      if let descriptor = state.descriptor {
        try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
          try SystemCalls.synchronizeData(descriptor)
        }
      }
      state.isSynchronizing = false
      state.lastSynchronization = .now
    }
  }

  /// Records the progress before the work stops; returns the number of bytes done.
  package func close() throws -> Int {
    try state.withLock { state in
      try append(boot: Machine.bootID, state.done, &state)
      return state.done.byteCount
    }
  }

  private func append(boot: String?, _ done: ByteRanges, _ state: inout State) throws(CheckpointError) {
    if boot?.isEmpty == true { return }
    var text = Line(inode: inode, inputs: inputs, boot: boot, done: done).text
    try CheckpointError.attempt(path) { [path] () throws(SystemCalls.Failure) in
      if state.descriptor == nil {
        let descriptor = try SystemCalls.openOrCreate(path, mode: 0o600)
        state.descriptor = descriptor
        state.byteCount = try SystemCalls.identity(descriptor).byteCount
        // The last line of the previous run may be incomplete.
        if state.byteCount > 0 { text.insert(UInt8(ascii: "\n"), at: 0) }
      }
      guard let descriptor = state.descriptor else { return }
      try unsafe SystemCalls.write(descriptor, text.span.bytes, at: state.byteCount)
    }
    state.byteCount += text.count
    state.byteCountOfLine = 0
    state.lastLine = .now
  }

  /// The progress of the weight file with `inode` that the journal at `path` proves, and the inputs that it was made
  /// from; nil if it proves nothing.
  static func read(_ path: String, inode: UInt64) -> (done: ByteRanges, inputs: [InputState])? {
    guard let bytes = try? BoundedFile.read(path, limit: 64 << 20) else { return nil }
    var found: (done: ByteRanges, inputs: [InputState])?
    for text in bytes.split(separator: UInt8(ascii: "\n")) {
      guard let line = Line(text: Array(text)), line.inode == inode else { continue }
      if let boot = line.boot, boot != Machine.bootID { continue }
      if found?.inputs != line.inputs { found = (ByteRanges(), line.inputs) }
      for range in line.done.ranges { found?.done.insert(range) }
    }
    return found
  }

  deinit {
    state.withLock { state in
      if let descriptor = state.descriptor { try? SystemCalls.close(descriptor) }
    }
  }
}

extension ShardJournal.Line {
  /// JSON after the first digits of its SHA-256, which reveal an incomplete line.
  var text: [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("inode")
    writer.value(String(inode))
    if let boot {
      writer.key("boot")
      writer.value(boot)
    }
    writer.key("inputs")
    writer.beginArray()
    for input in inputs { input.write(to: &writer) }
    writer.end()
    writer.key("done")
    writer.value(done.ranges.flatMap { [$0.lowerBound, $0.upperBound] })
    writer.end()
    return Array("\(Self.mark(writer.bytes)) ".utf8) + writer.bytes + [UInt8(ascii: "\n")]
  }

  init?(text: [UInt8]) {
    guard text.count > Self.markLength + 1, text[Self.markLength] == UInt8(ascii: " ") else { return nil }
    let json = Array(text[(Self.markLength + 1)...])
    guard Array(text[..<Self.markLength]) == Array(Self.mark(json).utf8), let value = try? JSONParser.parse(json.span),
      let inode = value.string("inode").flatMap({ UInt64($0) }), case .array(let inputs)? = value["inputs"],
      case .array(let bounds)? = value["done"], bounds.count % 2 == 0
    else { return nil }
    self.inode = inode
    boot = value.string("boot")
    self.inputs = inputs.compactMap(InputState.init)
    var done = ByteRanges()
    for position in stride(from: 0, to: bounds.count, by: 2) {
      guard case .integer(let start) = bounds[position], case .integer(let end) = bounds[position + 1], start <= end
      else { return nil }
      done.insert(Int(start)..<Int(end))
    }
    self.done = done
  }

  private static var markLength: Int { 16 }
  private static func mark(_ json: [UInt8]) -> String {
    String(SHA256Checksum(of: json).description.prefix(markLength))
  }
}
