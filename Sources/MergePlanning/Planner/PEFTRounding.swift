import Adapters
import Safetensors

/// Where PEFT 0.21.2 rounds when it merges on a CPU, as found by comparing bits.
enum PEFTRounding {
  /// Ranks up to this are summed in one chain by torch's matrix product (MKL, AVX2).
  static let largestChain = 192

  /// One adapter's step on one tensor; its result is rounded to the base's dtype.
  static func stage(
    _ terms: [DeltaTerm], rank: Int, _ magnitude: TensorUpdate.Magnitude?, dtype: DType, roundsDelta: Bool
  ) -> TensorUpdate.Stage {
    guard rank > largestChain, let scaling = terms.first?.scaling else {
      return TensorUpdate.Stage(
        terms: terms, magnitude: magnitude,
        intermediate: TensorUpdate.Intermediate(dtype: dtype, roundsDelta: roundsDelta))
    }
    // Each block is summed in its own chain and the sums are added: the scaling comes after, once.
    let length = rank <= 2 * largestChain ? rank / 2 : largestChain
    return TensorUpdate.Stage(
      terms: terms.flatMap { $0.blocks(length) }, magnitude: magnitude,
      intermediate: TensorUpdate.Intermediate(dtype: dtype, scaling: scaling, roundsDelta: roundsDelta))
  }

  /// Whether the delta itself is rounded to the base's dtype before it is added.
  static func roundsDelta(_ layer: AdapterLayer, _ target: TensorName, _ config: AdapterConfig) -> Bool {
    if layer.magnitude != nil { return false }
    if case .parameter = layer.target { return true }
    // BD-LoRA is a variant of the whole adapter: modules that its lists do not name are merged by it too.
    if config.blockDiagonal != nil || layer.decomposition == .kasa || target.string.hasSuffix("in_proj_weight") {
      return true
    }
    if case .named(let name) = config.initialization, name == "mica" { return true }
    switch layer.kind {
    case .embedding, .experts: return true
    case .linear, .convolution: return false
    }
  }
}

extension DeltaTerm {
  /// The same product as a sum of products over `length` of the rank each, unscaled.
  fileprivate func blocks(_ length: Int) -> [DeltaTerm] {
    guard case .lowRank(let left, let right) = kind else { return [self] }
    return stride(from: 0, to: left.columns, by: length).map { first in
      let count = min(length, left.columns - first)
      return DeltaTerm(
        rows: rows, columns: columns,
        kind: .lowRank(
          left: FactorView(
            left.source, rows: left.rows, columns: count, offset: left.offset + first * left.columnStride,
            rowStride: left.rowStride, columnStride: left.columnStride, spread: left.spread),
          right: FactorView(
            right.source, rows: count, columns: right.columns, offset: right.offset + first * right.rowStride,
            rowStride: right.rowStride, columnStride: right.columnStride, spread: right.spread)),
        scaling: 1,
        diagonal: diagonal.map { view in
          FactorView(
            view.source, rows: 1, columns: count, offset: view.offset + first * view.columnStride,
            rowStride: view.rowStride, columnStride: view.columnStride)
        })
    }
  }
}
