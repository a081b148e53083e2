import MergePlanning
import Safetensors

/// Reads rows of a matrix with zeros behind what is stored of each.
struct PaddedReader {
  /// Rows as they are stored.
  private var raw: [UInt8] = []

  /// Reads `rows` to the start of `buffer`, which grows if it has to.
  ///
  /// - Parameters:
  ///   - storedColumns: Columns of the tensor.
  ///   - rowByteCount: Bytes of a padded row.
  mutating func read(
    _ source: MergePlan.Source, _ rows: Range<Int>, storedColumns: Int, rowByteCount: Int,
    _ inputs: InputFiles, into buffer: inout [UInt8]
  ) throws {
    let count = rows.count * rowByteCount
    buffer.grow(to: count, filler: 0)
    buffer.replaceSubrange(0..<count, with: repeatElement(0, count: count))
    let size = storedColumns * source.dtype.bitCount / 8
    let start = source.range.lowerBound
    try inputs.read(source.input, start + rows.lowerBound * size..<start + rows.upperBound * size, into: &raw)
    for row in 0..<rows.count {
      let (from, to) = (row * size, row * rowByteCount)
      buffer.replaceSubrange(to..<to + size, with: raw[from..<from + size])
    }
  }
}
