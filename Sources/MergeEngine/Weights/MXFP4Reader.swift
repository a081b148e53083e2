import MergePlanning
import Safetensors
import TileKernels

/// Reads MXFP4 weights, which are stored transposed: a matrix of a stack is read whole and kept while its rows are asked for,
/// because a row has some bytes of every column.
struct MXFP4Reader {
  private(set) var codes: [UInt8] = []
  private var scales: [UInt8] = []
  /// The matrix whose codes and scales are held.
  private var held: MergePlan.Source?

  private static let block = 32

  mutating func read(_ elements: Range<Int>, _ context: WeightContext, into buffer: inout [UInt8]) throws {
    let (rows, columns) = (context.tensor.shape[1], context.tensor.shape[2])
    let groups = rows / Self.block
    let (table, powers) = (Codebooks.doubledE2M1, Codebooks.halvedPowers)
    var row = elements.lowerBound / columns
    let end = elements.upperBound / columns
    var done = 0
    while row < end {
      let (matrix, first) = row.quotientAndRemainder(dividingBy: rows)
      let count = min(rows - first, end - row)
      let start = context.weight.codes.range.lowerBound + matrix * columns * rows / 2
      let source = MergePlan.Source(
        input: context.weight.codes.input, dtype: .u8, range: start..<start + columns * rows / 2)
      if held != source {
        held = nil
        try context.read(source, 0..<source.range.count, into: &codes)
        try context.read(
          context.weight.scales, matrix * columns * groups..<(matrix + 1) * columns * groups, into: &scales)
        held = source
      }
      let place = TransposedCodes(
        rows: rows, columns: columns, block: Self.block, firstRow: first, rowCount: count)
      var target = buffer.mutableSpan
      var output = unsafe target.mutableBytes
      try unsafe context.kernels.decoding.transposed(
        codes.span.bytes, by: table.span, scales: scales.span.bytes, by: powers.span, place,
        into: &output, at: done, as: context.type)
      done += count * columns
      row += count
    }
  }
}
