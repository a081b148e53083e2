import Checkpoints
import Inspection
import MergePlanning
import Platform
import Safetensors

/// Shared by all parts of a check: the plan, the checkpoints and their open files.
struct CheckContext: Sendable {
  let plan: MergePlan
  let base: Checkpoint
  let adapters: [AdapterUse]
  let output: Checkpoint
  let options: MergeCheck.Options
  /// The inputs of the plan, then the files of the result.
  let files: OpenFiles

  init(
    _ plan: MergePlan, base: Checkpoint, adapters: [AdapterUse], output: Checkpoint, _ options: MergeCheck.Options
  ) {
    self.plan = plan
    self.base = base
    self.adapters = adapters
    self.output = output
    self.options = options
    files = OpenFiles(
      plan.inputs.map { ($0.path, $0.identity) } + output.files.map { ($0.path, $0.header.identity) })
  }

  /// The bytes of a tensor of the result in its file.
  func range(_ location: Checkpoint.Location) -> Range<Int> {
    let header = output.files[location.file].header
    let offsets = header.tensors.dataOffsets(at: location.index)
    return header.dataStart + offsets.lowerBound..<header.dataStart + offsets.upperBound
  }

  /// Where a file of the result is in ``files``.
  func file(_ location: Checkpoint.Location) -> Int { plan.inputs.count + location.file }

  private static let pieceByteCount = 4 << 20

  /// How many elements of two equally long ranges differ.
  func differingElements(
    _ one: Int, _ first: Range<Int>, _ other: Int, _ second: Range<Int>, elementByteCount: Int
  ) throws -> Int {
    var left: [UInt8] = []
    var right: [UInt8] = []
    var differing = 0
    for start in stride(from: 0, to: first.count, by: Self.pieceByteCount) {
      try options.interruption.check()
      let count = min(Self.pieceByteCount, first.count - start)
      try files.read(one, first.lowerBound + start..<first.lowerBound + start + count, into: &left)
      try files.read(other, second.lowerBound + start..<second.lowerBound + start + count, into: &right)
      if PlainArithmetic.areEqual(left, right, count: count) { continue }
      let size = max(1, elementByteCount)
      for place in stride(from: 0, to: count, by: size)
      where left[place..<min(place + size, count)] != right[place..<min(place + size, count)] { differing += 1 }
    }
    return differing
  }

  /// Whether two tensors of the result have the same shape and bytes.
  func areEqual(_ one: Checkpoint.Location, _ other: Checkpoint.Location) -> Bool {
    guard output.tensor(at: one).shape == output.tensor(at: other).shape, range(one).count == range(other).count else {
      return false
    }
    let count = try? differingElements(file(one), range(one), file(other), range(other), elementByteCount: 1)
    return count == 0
  }

  /// Whether the tensor of the result is the base's of that name, bit for bit.
  func isBases(_ pair: CheckedPair, _ own: Checkpoint.Location) throws -> Bool {
    let info = base.tensor(at: own)
    guard info.dtype == pair.result.dtype, info.shape == pair.result.shape else { return false }
    let start = base.files[own.file].header.dataStart
    let source = start + info.dataOffsets.lowerBound..<start + info.dataOffsets.upperBound
    return try differingElements(own.file, source, file(pair.location), range(pair.location), elementByteCount: 1) == 0
  }

  /// Does numbered jobs on all threads, until one fails or an end is asked for.
  func onAllThreads(_ count: Int, _ body: @Sendable (Int) throws -> Void) throws {
    try WorkQueue.run(count, workers: options.workers) { number in
      try options.interruption.check()
      try body(number)
    }
  }

  /// Applies `body` to each element on all threads, keeping the order.
  func mapConcurrently<Element: Sendable, Value: Sendable>(
    _ elements: [Element], _ body: @Sendable (Element) throws -> Value
  ) throws -> [Value] {
    try WorkQueue.map(elements, workers: options.workers) { element in
      try options.interruption.check()
      return try body(element)
    }
  }
}
