import Adapters
import LinearAlgebra
import MergePlanning
import Platform
import Safetensors
import TileKernels

/// Computes the factors of a combined adapter, a module at a time.
struct CombinationFactors: Sendable {
  private let layout: CombinationLayout
  private let kernels: KernelSet
  /// For the methods that decompose whole updates.
  private let decomposer: MatrixDecomposer?
  /// Whether factors with infinite or NaN elements are refused: an adapter that is kept hides where they come from.
  private let requiresFinite: Bool
  /// The weights of the adapters, in their order.
  let sources: [FactorFile]

  /// - Parameter decomposer: Nil where the method needs none.
  init(
    _ layout: CombinationLayout, kernels: KernelSet, decomposer: MatrixDecomposer?, requiresFinite: Bool = false
  ) throws {
    self.requiresFinite = requiresFinite
    self.layout = layout
    self.kernels = kernels
    self.decomposer = decomposer
    sources = try layout.uses.map { try FactorFile($0.adapter, layout.method) }
  }

  /// Calls `body` with A' and then B' of a module, in fp32; where the method allows it, one of them is in memory.
  ///
  /// - Parameter body: Its first argument is 0 for A' and 1 for B'.
  func forEach(of module: CombinationLayout.Module, _ body: (_ place: Int, _ values: [Float]) throws -> Void) throws {
    if let place = try module.embeddings.first(where: { try isTied(module, to: layout.modules[$0]) }) {
      let embedding = layout.modules[place]
      // What is B of the one is A of the other.
      var exchanged: [[Float]] = [[], []]
      try forEach(of: embedding) { place, values in
        exchanged[1 - place] = Self.transposed(values, place == 0 ? embedding.shapeA : embedding.shapeB)
      }
      for place in exchanged.indices { try body(place, exchanged[place]) }
      return
    }
    if case .svd(let inner, _, let clamp) = layout.method {
      let (a, b) = try decomposed(module, inner, clamp: clamp)
      try body(0, a)
      try body(1, b)
      return
    }
    try body(0, factor(module, isA: true))
    try body(1, factor(module, isA: false))
  }

  /// Whether all parts have the factors of the embedding's parts, exchanged.
  private func isTied(_ module: CombinationLayout.Module, to embedding: CombinationLayout.Module) throws -> Bool {
    try zip(module.parts, embedding.parts).allSatisfy { part, other in
      let (source, tensors) = (sources[part.adapter], layout.uses[part.adapter].adapter.header.tensors)
      return try [(part.a, other.b), (part.b, other.a)].allSatisfy { one, another in
        let values = try source.elements(tensors[another], kernels: kernels)
        return try source.elements(tensors[one], kernels: kernels) == Self.transposed(values, tensors[another].shape)
      }
    }
  }

  /// A matrix with rows and columns exchanged.
  private static func transposed(_ values: [Float], _ shape: [Int]) -> [Float] {
    let (rows, columns) = (shape[0], shape[1])
    return (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
  }

  /// - Throws: ``CombinationError`` with `changed` if an adapter is no longer what it was.
  func checkUnchanged() throws { for source in sources { try source.checkUnchanged() } }

  /// The factors of the combined updates; one module at a time is in memory.
  private func decomposed(
    _ module: CombinationLayout.Module, _ method: CombinationMethod, clamp: Double?
  ) throws -> (a: [Float], b: [Float]) {
    let first = module.parts[0]
    guard let decomposer else {
      throw CombinationError(
        path: layout.uses[first.adapter].adapter.weightsPath, layout.method, .inconsistent("no LAPACK was opened"))
    }
    let decomposition = CombinationDecomposition(
      method: method, rows: first.update.outFeatures ?? 0, columns: first.update.inFeatures ?? 0, rank: module.rank,
      clamp: clamp)
    let source = layout.uses[first.adapter].adapter.weightsPath
    return try decomposer.withTurn(path: source, tensor: first.update.module) { algebra in
      let updates = try module.parts.map { part in
        let tensors = layout.uses[part.adapter].adapter.header.tensors
        return CombinationDecomposition.Update(
          a: try elements(tensors[part.a], of: part), b: try elements(tensors[part.b], of: part), rank: part.rank,
          scaling: Float(part.scaling), weight: Float(part.weight), stream: stream(part, "D"))
      }
      return try decomposition.factors(of: updates, algebra, kernels)
    }
  }

  private func elements(_ tensor: TensorInfo, of part: CombinationLayout.Part) throws -> [Float] {
    let values = try sources[part.adapter].elements(tensor, kernels: kernels)
    guard !requiresFinite || values.allSatisfy(\.isFinite) else {
      throw CombinationError(
        path: layout.uses[part.adapter].adapter.weightsPath, tensor: tensor.name.string, layout.method, .notFinite)
    }
    return values
  }

  /// What an adapter's choices in one matrix of a module are drawn from.
  private func stream(_ part: CombinationLayout.Part, _ matrix: String) -> RandomStream {
    RandomStream(
      seed: layout.method.seed ?? 0, tensor: NameHash.of("\(part.adapter)/\(part.update.module)/\(matrix)"))
  }

  private func factor(_ module: CombinationLayout.Module, isA: Bool) throws -> [Float] {
    let factors = try module.parts.map { part in
      let tensors = layout.uses[part.adapter].adapter.header.tensors
      return try elements(tensors[isA ? part.a : part.b], of: part)
    }
    if layout.method == .concatenation {
      return isA ? concatenatedA(factors, module) : concatenatedB(factors, module)
    }
    let weights = module.parts.map { part in
      let product = part.weight * part.scaling
      let root = product.magnitude.squareRoot()
      return Float(isA && product < 0 ? -root : root)
    }
    let streams = module.parts.map { stream($0, isA ? "A" : "B") }
    return try CombinationArithmetic(method: layout.method)
      .combine(factors, weights: weights, streams: streams, kernels: kernels)
  }

  /// The rows of all A, each weighted by w and then by s, in fp32; zeros behind them.
  private func concatenatedA(_ factors: [[Float]], _ module: CombinationLayout.Module) -> [Float] {
    var rows: [Float] = []
    rows.reserveCapacity(module.shapeA.reduce(1, &*))
    for (factor, part) in zip(factors, module.parts) {
      let (weight, scaling) = (Float(part.weight), Float(part.scaling))
      rows += factor.map { $0 * weight * scaling }
    }
    rows += repeatElement(0, count: module.shapeA.reduce(1, &*) - rows.count)
    return rows
  }

  /// The columns of all B; zeros behind them.
  private func concatenatedB(_ factors: [[Float]], _ module: CombinationLayout.Module) -> [Float] {
    let rank = module.rank
    var columns = [Float](repeating: 0, count: module.shapeB.reduce(1, &*))
    var first = 0
    for (factor, part) in zip(factors, module.parts) {
      let width = part.rank
      for row in 0..<module.shapeB[0] {
        for column in 0..<width { columns[row * rank + first + column] = factor[row * width + column] }
      }
      first += width
    }
    return columns
  }
}
