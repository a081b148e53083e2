import Adapters
import LinearAlgebra
import MergePlanning
import Safetensors
import TileKernels

/// The low-rank part `left . right` that is taken out of a tensor before anything is added to it, derived from the tensor.
///
/// With `W = U diag(S) Vh` and PEFT's own order of fp32 operations, whose last bits are those of LAPACK:
///
/// - PiSSA: `left = s (U_r q)`, `right = q Vh_r` with `q = sqrt(S_r / s)`, the r largest;
/// - KaSA: `left = U_r S_r`, `right = Vh_r`, the r smallest. PEFT multiplies the others instead: the same but for roundings;
/// - OLoRA: `left = s Q_r`, `right = R_r` of `W = Q R`.
///
/// Source: PEFT 0.21.2 `LoraLayer.pissa_init`, `LoraLayer.olora_init`, `KasaLinearVariant._truncate_base_weight`.
struct DecompositionFactors: Sendable {
  /// rows x rank, row-major.
  let left: [Float]
  let right: PackedRight

  /// Decomposes `matrix`, which is rows x columns.
  init(
    _ decomposition: DecompositionStep, of matrix: consuming [Float], rows: Int, columns: Int,
    _ algebra: LinearAlgebra, _ kernels: KernelSet
  ) throws {
    let (rank, scaling) = (decomposition.rank, decomposition.scaling)
    var (left, right): ([Float], [Float])
    switch decomposition.change {
    case .olora:
      let found = try algebra.leadingQR(of: matrix, rows: rows, columns: columns, rank: rank)
      (left, right) = (found.q, found.r)
      for index in left.indices { left[index] *= scaling }
    case .pissa, .kasa:
      let isLargest = decomposition.change == .pissa
      let found = try algebra.singularValues(of: matrix, rows: rows, columns: columns)
      let count = found.values.count
      let chosen = isLargest ? 0..<rank : count - rank..<count
      let values = found.values[chosen].map { isLargest ? ($0 / scaling).squareRoot() : $0 }
      left = (0..<rows * rank).map { found.left[$0 / rank * count + chosen.lowerBound + $0 % rank] * values[$0 % rank] }
      right = Array(found.right[chosen.lowerBound * columns..<chosen.upperBound * columns])
      if isLargest {
        for index in right.indices { right[index] *= values[index / columns] }
        // B has the scaling: of the transposed tensor that is the right factor.
        if decomposition.isTransposed {
          for index in right.indices { right[index] *= scaling }
        } else {
          for index in left.indices { left[index] *= scaling }
        }
      }
    }
    self.left = left
    self.right = try PackedRight(rowMajor: right, rows: rank, columns: columns, kernels: kernels)
  }

  /// What the factors of one tensor take while its tiles need them.
  static func byteCount(_ decomposition: DecompositionStep, rows: Int, columns: Int) -> Int {
    let packed = (try? PackedRight.byteCount(columns: columns, rank: decomposition.rank)) ?? 0
    return rows * decomposition.rank * MemoryLayout<Float>.stride + packed
  }

  /// What making them takes at the most, beside themselves.
  static func workByteCount(_ decomposition: DecompositionStep, rows: Int, columns: Int) -> Int {
    let right = decomposition.rank * columns * MemoryLayout<Float>.stride
    switch decomposition.change {
    case .pissa, .kasa: return right + LinearAlgebra.singularValuesByteCount(rows: rows, columns: columns)
    case .olora: return right + LinearAlgebra.leadingQRByteCount(rows: rows, columns: columns, rank: decomposition.rank)
    }
  }
}

extension DecompositionFactors {
  /// Decomposes the tensor that a step takes a part out of.
  init(_ decomposition: DecompositionStep, _ context: StepContext) throws {
    let update = context.tensor.update
    self = try context.decomposing { algebra in
      try DecompositionFactors(
        decomposition, of: Self.elements(context), rows: update.rows, columns: update.columns, algebra,
        context.kernels)
    }
  }

  /// The whole tensor in fp32.
  static func elements(_ context: StepContext) throws -> [Float] {
    let update = context.tensor.update
    let (source, _) = try context.inputs.elementTypes(of: context.tensor)
    var elements = [Float](repeating: 0, count: update.rows * update.columns)
    var raw: [UInt8] = []
    var reader = WeightReader()
    let byteCount = try reader.read(
      context.tensor, rows: 0..<update.rows, context.inputs, context.kernels, into: &raw)
    var span = elements.mutableSpan
    try unsafe context.kernels.widen(raw.span.extracting(0..<byteCount).bytes, as: source, into: &span)
    return elements
  }
}
