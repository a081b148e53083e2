import Adapters
import Safetensors

/// Where PEFT 0.21.2 rounds when it merges on a CPU, as found by comparing bits.
enum PEFTRounding {
  /// Ranks up to this are summed in one chain by torch's matrix product (MKL, AVX2).
  static let largestChain = 192

  /// What one adapter does to one tensor; its result is rounded to the base's dtype.
  static func steps(
    _ terms: [Term<FactorView>], rank: Int, _ magnitude: Magnitude?, dtype: DType, roundsDelta: Bool
  ) -> [TensorUpdate.Step] {
    let roundedTo = roundsDelta ? dtype : nil
    var addition = Addition(terms, roundedTo: roundedTo)
    if rank > largestChain, let scaling = terms.first?.scaling {
      // Each block is summed in its own chain and the sums are added: the scaling comes after, once.
      let length = rank <= 2 * largestChain ? rank / 2 : largestChain
      addition = Addition(terms.flatMap { $0.blocks(length) }, scaling: scaling, roundedTo: roundedTo)
    }
    return [magnitude.map { .rescale($0.rescaling(addition, norms: .torch)) } ?? .add(addition), .round(dtype)]
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

extension Term where Operand == FactorView {
  /// The same product as a sum of products over `length` of the rank each, unscaled.
  fileprivate func blocks(_ length: Int) -> [Term] {
    formula.blocks(length).map { Term(rows: rows, columns: columns, $0, scaling: formula.isProduct ? 1 : scaling) }
  }
}
