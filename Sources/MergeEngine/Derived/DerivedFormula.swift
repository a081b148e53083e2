import Adapters
import LinearAlgebra
import MergePlanning
import Safetensors
import TileKernels

/// A product that follows from the tensor's weight: both factors are made once, by passes over the tensor.
struct DerivedFormula: FormulaEvaluation {
  let derivation: Derivation<FactorView>

  func memory(_ place: StepPlace) -> StepMemory {
    let (tensor, rank) = (place.tensor, derivation.rank)
    let (rows, columns) = (tensor.update.rows, tensor.update.columns)
    let packed = (try? PackedRight.byteCount(columns: columns, rank: rank)) ?? 0
    var memory = StepMemory(shared: rows * rank * MemoryLayout<Float>.stride + packed)
    memory.products = KernelSet.scratchByteCount(rows: place.tileRows, rank: rank)
    switch derivation.form {
    case .substitution, .network:
      // The factors of the adapter, in double where they are computed on.
      let factors = derivation.operands.reduce(0) { $0 + $1.rows * $1.columns } * 3 * MemoryLayout<Double>.stride
      memory.work = factors + WeightImage.byteCount(derivation, tensor)
    case .smallestSingularValues:
      let weightByteCount = tensor.weight.dtype.bitCount / 8
      memory.work =
        rows * columns * weightByteCount + tensor.weight.readerByteCount(elements: rows * columns, shape: tensor.shape)
        + rank * (rows + columns) * 2 * MemoryLayout<Float>.stride
        + LinearAlgebra.singularValuesByteCount(rows: rows, columns: columns)
    }
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    let factors =
      switch derivation.form {
      case .substitution(let substitution): try DerivedFactors(substitution, derivation, context)
      case .network(let network): try DerivedFactors(network, derivation, context)
      case .smallestSingularValues(let count): try DerivedFactors(smallestSingularValues: count, context)
      }
    return try PreparedFactors(factors, rank: derivation.rank, isTransposed: derivation.isTransposed, context)
  }
}

/// The two factors of a product, row after row: rows x rank and rank x columns of the layer.
struct DerivedFactors {
  let left: [Float]
  let right: [Float]
}

/// A product of two factors in memory.
struct PreparedFactors: PreparedFormula {
  private let left: [Float]
  private let right: PackedRight

  var columns: Int { right.factorColumns }

  /// - Parameter isTransposed: Whether the product is to be the transposed one.
  init(_ factors: DerivedFactors, rank: Int, isTransposed: Bool, _ context: StepContext) throws {
    let (left, right) = (factors.left, factors.right)
    let update = context.tensor.update
    let kernels = context.kernels
    if isTransposed {
      self.left = Self.transposed(right, rows: rank)
      // What was the left factor, read down its columns.
      let columns = Self.transposed(left, rows: left.count / rank)
      self.right = try PackedRight(rowMajor: columns, rows: rank, columns: update.columns, kernels: kernels)
    } else {
      self.left = left
      self.right = try PackedRight(rowMajor: right, rows: rank, columns: update.columns, kernels: kernels)
    }
  }

  private static func transposed(_ values: [Float], rows: Int) -> [Float] {
    let columns = values.count / max(1, rows)
    var result = [Float](repeating: 0, count: values.count)
    for row in 0..<rows {
      for column in 0..<columns { result[column * rows + row] = values[row * columns + column] }
    }
    return result
  }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    let rank = right.rank
    try delta.addProduct(
      left.span.extracting(rows.lowerBound * rank..<rows.upperBound * rank), right, rows: rows.count, scale: scale,
      at: offset, rowStride: rowStride, scratch.kernels)
  }
}
