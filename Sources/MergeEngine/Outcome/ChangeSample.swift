import Adapters
import MergePlanning
import Safetensors
import TileKernels

/// How large a change is against the weights, told from some rows of a tensor.
package struct ChangeSample: Sendable, Equatable {
  /// Sums of squares.
  private(set) var change = 0.0
  private(set) var base = 0.0

  /// A low-rank change of more than this many times the base's norm deserves a warning in every merge: trained ones are
  /// far below 1.
  package static let suspiciousRatio = 10.0
  /// Tiles of a tensor that are looked at, at most, and elements of each.
  private static let tileCount = 8
  private static let elementCount = 1 << 15

  /// Whether the tile at `position` of `count` is one of those that are looked at.
  static func includes(tile position: Int, of count: Int) -> Bool { position % max(1, count / tileCount) == 0 }

  /// The rows of a tile that are looked at.
  static func rows(of tile: Range<Int>, columns: Int) -> Range<Int> {
    tile.lowerBound..<min(tile.upperBound, tile.lowerBound + max(1, elementCount / max(1, columns)))
  }

  mutating func add(_ rows: [RowStatistics]) {
    for row in rows {
      change += row.intendedSquares
      base += row.baseSquares
    }
  }

  static func += (left: inout ChangeSample, right: ChangeSample) {
    left.change += right.change
    left.base += right.base
  }

  /// Nil where there is nothing to compare with.
  var ratio: Double? { base > 0 ? (change / base).squareRoot() : nil }
}

extension TensorUpdate {
  /// Whether the update adds a product and writes over no row: what is measured then is the size of the product.
  var addsProduct: Bool {
    rowReplacements.isEmpty && terms.contains(where: \.formula.isProduct)
  }
}

extension TileWorker {
  /// Measures the change of the first of the rows that were computed last.
  ///
  /// - Parameter weight: The bytes of these rows before the change.
  func sampleChange(
    _ tensor: ComputedTensor, rows tile: Range<Int>, weight: RawSpan
  ) throws -> ChangeSample {
    let columns = tensor.update.columns
    let rows = ChangeSample.rows(of: tile, columns: columns)
    let (source, target) = try inputs.elementTypes(of: tensor)
    let count = rows.count * columns
    var values = [Float](repeating: 0, count: count)
    var span = values.mutableSpan
    let bytes = buffers.output.span.extracting(0..<count * target.byteCount)
    try unsafe kernels.widen(bytes.bytes, as: target, into: &span)
    var comparison = TileComparison()
    try comparison.compare(
      buffers.output, as: target, with: weight.extracting(0..<count * source.byteCount), as: source, intended: values,
      are: .values, rowCount: rows.count, columns: columns, kernels)
    var sample = ChangeSample()
    sample.add(comparison.rows)
    return sample
  }
}
