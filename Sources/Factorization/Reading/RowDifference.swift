import LowRank
import TileKernels

/// The difference of two matrices in fp32: `tuned - base`.
///
/// Both are exact in fp32 where they are F32, F16 or BF16, and the difference is rounded once: by at most 2^-24 of its magnitude.
struct RowDifference: MatrixRows {
  let base: any MatrixRows
  let tuned: any MatrixRows
  let kernels: KernelSet

  var rows: Int { tuned.rows }
  var columns: Int { tuned.columns }

  func read(_ rows: Range<Int>, into buffer: inout [Float]) throws {
    let count = rows.count * columns
    var values: [Float] = []
    try base.read(rows, into: &values)
    try tuned.read(rows, into: &buffer)
    var span = buffer.mutableSpan
    try kernels.addScaled(to: &span, values: values.span.extracting(0..<count), scale: -1)
  }
}
