import Adapters
import MergePlanning
import TileKernels

/// The product of a matrix with a tensor's weight, by one pass over the tensor: ``WeightProducts`` says how it is summed.
struct WeightImage {
  /// rank x columns of the layer, row after row.
  private(set) var values: [Double]

  private static let run = WeightProducts.runLength

  /// - Parameter left: rank x rows of the layer, row after row.
  init(_ left: [Float], _ derivation: Derivation<FactorView>, _ context: StepContext) throws {
    values = [Double](repeating: 0, count: derivation.rank * derivation.columns)
    if derivation.isTransposed {
      try addRows(left, derivation, context)
    } else {
      try addColumns(left, derivation, context)
    }
  }

  /// What making it takes at the most, with itself.
  static func byteCount(_ derivation: Derivation<FactorView>, _ tensor: ComputedTensor) -> Int {
    let image = derivation.rank * derivation.columns
    let rows = max(run, TileSize.standard.rows(columns: tensor.update.columns))
    let tile = rows * tensor.update.columns
    // The image in double and in fp32, before and behind what is done to it; rows as they are read, widened and packed.
    return image * (2 * MemoryLayout<Double>.stride + 2 * MemoryLayout<Float>.stride)
      + tile * 3 * MemoryLayout<Float>.stride + tensor.weight.readerByteCount(elements: tile, shape: tensor.shape)
  }

  /// The tensor's rows are the layer's: a run of them is a right factor.
  private mutating func addColumns(
    _ left: [Float], _ derivation: Derivation<FactorView>, _ context: StepContext
  ) throws {
    let (rank, width) = (derivation.rank, derivation.rows)
    var part: [Float] = []
    var sums = FloatBuffer()
    var values: [Double] = []
    swap(&values, &self.values)
    try context.forEachTile(startingWith: nil, rowsPerTile: Self.run) { tile, start, _ in
      let factor = try StridedFactor(rowMajor: tile.source, rows: tile.rows.count, columns: tile.columns)
      let right = try PackedRight(factor, in: start, kernels: context.kernels)
      part.removeAll(keepingCapacity: true)
      for row in 0..<rank { part += left[row * width + tile.rows.lowerBound..<row * width + tile.rows.upperBound] }
      try sums.clear(rank * tile.columns)
      try sums.addProduct(part.span, right, rows: rank, scale: 1, rowStride: tile.columns, context.kernels)
      Self.add(sums.elements, to: &values)
    }
    self.values = values
  }

  private static func add(_ sums: [Float], to values: inout [Double]) {
    let sums = sums.span
    var span = values.mutableSpan
    for index in 0..<span.count { span[index] += Double(sums[index]) }
  }

  /// The tensor's rows are the layer's columns: runs of its columns are left factors.
  private mutating func addRows(
    _ left: [Float], _ derivation: Derivation<FactorView>, _ context: StepContext
  ) throws {
    let (rank, width, columns) = (derivation.rank, derivation.rows, derivation.columns)
    let runs = stride(from: 0, to: width, by: Self.run).map { $0..<min($0 + Self.run, width) }
    let rights = try runs.map { run in
      var part = [Float](repeating: 0, count: run.count * rank)
      for (number, column) in run.enumerated() {
        for row in 0..<rank { part[number * rank + row] = left[row * width + column] }
      }
      return try PackedRight(rowMajor: part, rows: run.count, columns: rank, kernels: context.kernels)
    }
    var (part, sums) = (FloatBuffer(), FloatBuffer())
    var values: [Double] = []
    swap(&values, &self.values)
    try context.forEachTile(startingWith: nil) { tile, start, buffers in
      try buffers.sums.widen(start, as: tile.source, context.kernels)
      for (number, run) in runs.enumerated() {
        part.gather(run, of: buffers.sums, rows: tile.rows.count, width: tile.columns)
        try sums.clear(tile.rows.count * rank)
        try sums.addProduct(
          part.elements.span, rights[number], rows: tile.rows.count, scale: 1, rowStride: rank, context.kernels)
        let found = sums.elements
        for row in 0..<tile.rows.count {
          for place in 0..<rank {
            values[place * columns + tile.rows.lowerBound + row] += Double(found[row * rank + place])
          }
        }
      }
    }
    self.values = values
  }
}
