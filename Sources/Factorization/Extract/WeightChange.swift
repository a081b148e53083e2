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

  /// Whether both tensors have the same bytes.
  func isNothing() throws(FileError) -> Bool {
    guard base.type == tuned.type else { return false }
    let count = rows * columns * base.type.byteCount
    return try base.file.hasSameBytes(
      base.start..<base.start + count, as: tuned.file, tuned.start..<tuned.start + count)
  }
}
