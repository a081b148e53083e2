import AdapterWriting
import Adapters
import LowRank
import MergeEngine
import Platform
import Safetensors
import TileKernels

/// The work for one module of an adapter: its two factors become smaller ones.
struct FactorResize: Sendable {
  /// A factor with the tensor that holds it.
  private struct Stored: Sendable {
    let index: Int
    let tensor: TensorInfo
    let factor: Factor
  }

  /// B and A of a module.
  private typealias Pair = (left: Stored, right: Stored)

  private let module: String
  private let left: Stored
  private let right: Stored
  /// alpha as a tensor of its own, in adapters that are one file.
  private let alpha: (index: Int, tensor: TensorInfo)?
  private let scaling: Double
  private let input: InputFile
  private let dataStart: Int
  private let rule: RankRule
  private let dtype: DType?
  private let layout: ModuleUpdate.Layout
  /// Embeddings whose factors, exchanged, the module may have.
  private var embeddings: [Pair] = []

  /// The tensors that are replaced.
  var indices: [Int] { [left.index, right.index] + [alpha?.index].compactMap { $0 } }

  /// - Throws: ``FactorizationError`` with `notLowRank`.
  init(
    _ update: ModuleUpdate, _ adapter: Adapter, _ input: InputFile, rule: RankRule, dtype: DType?
  ) throws(FactorizationError) {
    func refuse(_ kind: String) -> FactorizationError {
      FactorizationError(path: adapter.weightsPath, tensor: update.module, .notLowRank(kind))
    }
    if update.decomposition != nil { throw refuse("one that changes the base first, as PiSSA's") }
    if update.bias != nil { throw refuse("one of a bias too") }
    let steps = update.steps
    guard steps.count == 1, let addition = steps.first?.addition, addition.isPlain, addition.shift.isEmpty else {
      throw refuse("no sum of products")
    }
    guard addition.terms.count == 1, let term = addition.terms.first,
      case .product(let left, let right, nil) = term.formula
    else { throw refuse(addition.terms.count > 1 ? "a stack of several products" : "no product of two matrices") }
    let table = adapter.header.tensors
    func stored(_ factor: Factor) throws(FactorizationError) -> Stored {
      let tensor = table[factor.tensor]
      let count = tensor.shape.reduce(1, *)
      guard factor.offset == 0, factor.rowStride == factor.columns, factor.columnStride == 1,
        count == factor.rows * factor.columns, tensor.dtype.elementType != nil, tensor.shape.count >= 2
      else {
        let isTransposed = factor.columns > 1 && factor.columnStride != 1 && tensor.dtype.elementType != nil
        throw isTransposed
          ? FactorizationError(path: adapter.weightsPath, tensor: update.module, .transposedFactors)
          : refuse("of factors in another layout or dtype")
      }
      return Stored(index: factor.tensor, tensor: tensor, factor: factor)
    }
    module = update.module
    layout = update.layout
    self.left = try stored(left)
    self.right = try stored(right)
    let others = update.tensorIndices.filter { $0 != left.tensor && $0 != right.tensor }
    alpha = others.first { adapter.isFile && table[$0].name.string.hasSuffix("alpha") }.map { ($0, table[$0]) }
    scaling = Double(term.scaling) * (update.scaling ?? 1)
    self.input = input
    dataStart = adapter.header.dataStart
    self.rule = rule
    self.dtype = dtype
    if adapter.isFile, alpha == nil { throw refuse("without an alpha of its own in the file") }
  }

  /// The same work for a module that may be tied to one of the embeddings (`ensure_weight_tying`): a merge requires that their
  /// factors stay equal to the last bit, which two decompositions do not promise.
  func tied(to works: [FactorResize]) -> FactorResize {
    guard case .linear = layout else { return self }
    var result = self
    result.embeddings = works.filter { other in
      guard case .embedding = other.layout else { return false }
      return other.scaling == scaling
        && [(left, other.right), (right, other.left)].allSatisfy { one, another in
          one.tensor.shape == another.tensor.shape.reversed() && one.tensor.dtype == another.tensor.dtype
        }
    }.map { ($0.left, $0.right) }
    return result
  }

  var unit: AdapterUnit {
    let cost = left.factor.rows * left.factor.columns + right.factor.rows * right.factor.columns
    return AdapterUnit(name: module, cost: cost) { try make() }
  }

  private func read(_ stored: Stored) throws -> [Float] {
    guard let type = stored.tensor.dtype.elementType else { return [] }
    let offsets = stored.tensor.dataOffsets
    let bytes = try input.bytes(dataStart + offsets.lowerBound..<dataStart + offsets.upperBound)
    var values = [Float](repeating: 0, count: bytes.count / type.byteCount)
    var span = values.mutableSpan
    try unsafe KernelSet.best.widen(bytes.span.bytes, as: type, into: &span)
    guard values.allSatisfy(\.isFinite) else {
      throw LowRankError(path: input.path, tensor: stored.tensor.name.string, .notFinite)
    }
    return values
  }

  /// The factors as they are stored: B of (out x rank) and A of (rank x in).
  private func matrices(_ pair: Pair) throws -> (left: VectorSet, right: VectorSet) {
    func matrix(_ stored: Stored) throws -> VectorSet {
      VectorSet(count: stored.factor.rows, length: stored.factor.columns, elements: try read(stored))
    }
    return (try matrix(pair.left), try matrix(pair.right))
  }

  /// The new factors: of a tied module those of the embedding, exchanged.
  private func factors() throws -> LowRankFactors {
    let (columns, rows) = try matrices((left, right))
    for embedding in embeddings {
      let other = try matrices(embedding)
      guard other.left.transposed == rows, other.right.transposed == columns else { continue }
      return try truncated(other.left, other.right).exchanged
    }
    return try truncated(columns, rows)
  }

  private func truncated(_ columns: VectorSet, _ rows: VectorSet) throws -> LowRankFactors {
    do {
      return try FactorTruncation.factors(left: columns.transposed, right: rows, scale: scaling, rule: rule)
    } catch { throw error.of(path: input.path, tensor: left.tensor.name.string) }
  }

  private func make() throws -> AdapterUnit.Result {
    let factors = try factors()
    var tensors = [
      try tensor(right, [factors.rank] + right.tensor.shape.dropFirst(), factors.right.elements),
      try tensor(
        left, [left.tensor.shape[0], factors.rank] + left.tensor.shape.dropFirst(2), factors.left.transposed.elements),
    ]
    if let alpha {
      tensors.append(
        try AdapterTensor(
          name: alpha.tensor.name.string, dtype: alpha.tensor.dtype.elementType == nil ? .f32 : alpha.tensor.dtype,
          shape: alpha.tensor.shape, values: [Float(factors.rank)], path: input.path))
    }
    return AdapterUnit.Result(tensors: tensors, facts: ModuleFacts(module, factors).json)
  }

  private func tensor(_ stored: Stored, _ shape: [Int], _ values: [Float]) throws -> AdapterTensor {
    try AdapterTensor(
      name: stored.tensor.name.string, dtype: dtype ?? stored.tensor.dtype, shape: shape, values: values,
      path: input.path)
  }
}
