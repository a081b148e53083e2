import LowRank
import Platform
import Safetensors
import TileKernels

/// The difference of two tensors of one shape as a matrix in fp32: `tuned - base`.
///
/// Both are widened to fp32, which is exact for F16 and BF16, and the difference is rounded once: by at most 2^-24 of its magnitude.
struct WeightChange: MatrixRows {
  /// One of the two tensors.
  struct Side: Sendable {
    let file: InputFile
    /// Where its data begins in the file.
    let start: Int
    let type: ElementType
  }

  let base: Side
  let tuned: Side
  let rows: Int
  let columns: Int
  let kernels: KernelSet

  func read(_ rows: Range<Int>, into buffer: inout [Float]) throws {
    let count = rows.count * columns
    if buffer.count < count { buffer = [Float](repeating: 0, count: count) }
    var bytes: [UInt8] = []
    var values = [Float](repeating: 0, count: count)
    try widen(base, rows, through: &bytes, into: &values)
    try widen(tuned, rows, through: &bytes, into: &buffer)
    var span = buffer.mutableSpan
    try kernels.addScaled(to: &span, values: values.span, scale: -1)
  }

  private func widen(
    _ side: Side, _ rows: Range<Int>, through bytes: inout [UInt8], into values: inout [Float]
  ) throws {
    let width = columns * side.type.byteCount
    let range = side.start + rows.lowerBound * width..<side.start + rows.upperBound * width
    try side.file.read(range, into: &bytes)
    let part = bytes.span.extracting(0..<range.count)
    var span = values.mutableSpan
    try unsafe kernels.widen(part.bytes, as: side.type, into: &span)
  }

  /// The part of one matrix of a stack of so many.
  func matrix(_ index: Int, of count: Int) -> WeightChange {
    let rows = rows / count
    func side(_ side: Side) -> Side {
      Side(file: side.file, start: side.start + index * rows * columns * side.type.byteCount, type: side.type)
    }
    return WeightChange(base: side(base), tuned: side(tuned), rows: rows, columns: columns, kernels: kernels)
  }

  /// Whether both tensors have the same bytes.
  func isNothing() throws -> Bool {
    guard base.type == tuned.type else { return false }
    let total = rows * columns * base.type.byteCount
    var (one, other): ([UInt8], [UInt8]) = ([], [])
    for place in stride(from: 0, to: total, by: 1 << 20) {
      let count = min(1 << 20, total - place)
      try base.file.read(base.start + place..<base.start + place + count, into: &one)
      try tuned.file.read(tuned.start + place..<tuned.start + place + count, into: &other)
      guard one == other else { return false }
    }
    return true
  }
}
