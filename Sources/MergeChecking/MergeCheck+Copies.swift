import Checkpoints
import Inspection
import MergePlanning
import Platform
import Safetensors

/// Tensors that are copied.
extension MergeCheck {
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

  func compareCopies(_ pairs: inout [Pair], _ report: inout Report) throws {
    let numbers = pairs.indices.filter { pairs[$0].update == nil }
    let counts = try mapConcurrently(numbers.map { pairs[$0] }) { pair in
      try differingElements(
        pair.planned.source.input, pair.planned.source.range, file(pair.location), range(pair.location),
        elementByteCount: pair.result.dtype.bitCount / 8)
    }
    let hypotheses = KnownFaults(plan: plan, adapters: adapters)
    for (number, count) in zip(numbers, counts) where count > 0 {
      let pair = pairs[number]
      pairs[number].result.verdict = .damaged(count: count)
      guard plan.inputs[pair.planned.source.input].isAdapter, let own = base.location(of: pair.planned.name) else {
        continue
      }
      if try isBases(pair, own) {
        pairs[number].result.verdict = .fault(hypotheses.replacementDropped(pair.planned.name))
      }
    }
  }

  /// Whether the tensor of the result is the base's of that name, bit for bit.
  func isBases(_ pair: Pair, _ own: Checkpoint.Location) throws -> Bool {
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

  func mapConcurrently<Element: Sendable, Value: Sendable>(
    _ elements: [Element], _ body: @Sendable (Element) throws -> Value
  ) throws -> [Value] {
    try WorkQueue.map(elements, workers: options.workers) { element in
      try options.interruption.check()
      return try body(element)
    }
  }
}
