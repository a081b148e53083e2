import Adapters
import Checkpoints
import ModelNames
import Safetensors

/// Finds the base's tensors that an adapter's whole tensors and token rows go into, and checks that they fit.
struct ReplacementMatcher {
  let inputs: MergeInputs
  /// The adapter.
  let number: Int
  /// The base's tensors as they are now.
  let tensors: TensorShapes

  /// A tensor of the result that an adapter has whole.
  struct WholeTensor {
    let name: TensorName
    let source: MergePlan.Source
    let shape: [Int]
    /// Whether the base doesn't have it.
    let isNew: Bool
    /// The rule that found it; nil: its own name did.
    let rule: String?
  }

  /// Rows of a tensor that an adapter has.
  struct Rows {
    let name: TensorName
    /// The tensor's rows.
    let rowCount: Int
    let replacements: [RowReplacement<FactorView>]
    /// The rule that found it; nil: its own name did.
    let rule: String?
    /// Where the adapter has the same rows under a second name of the tensor: what must be equal for that.
    var equality: MergePlan.Equality?
  }

  private var header: SafetensorsHeader { inputs.adapters[number].adapter.header }

  private func error(_ problem: PlanError.Problem, key: Int) -> PlanError { inputs.error(problem, number, key: key) }

  // MARK: - Whole tensors

  /// The place of a tensor that an adapter has whole.
  func match(
    _ replacement: AdapterReplacement, _ resolver: inout NameResolver
  ) throws(PlanError) -> WholeTensor {
    let key = replacement.tensor
    try checkWeight(key)
    let found = try wholeTensor(replacement.target, &resolver, key: key)
    let name = found?.name ?? TensorName(replacement.target)
    let (shape, dtype) = (header.tensors.shape(at: key), header.tensors.dtype(at: key))
    guard tensors.updates[name]?.replacement == nil else {
      throw error(.targetHitTwice(target: name.string, other: replacement.target), key: key)
    }
    let own = inputs.baseTensors.entry(name)
    if own != nil, let problem = inputs.quantized.problem(changing: name) { throw problem }
    // A head that the base keeps as one tensor with the embedding is as large as that.
    let entry = own ?? inputs.vocabulary.storedTwin(of: name).flatMap { inputs.baseTensors.entry($0) }
    if let info = entry?.info {
      guard info.shape == shape || isResize(name, from: info.shape, to: shape) else {
        throw error(
          .shape(factor: "the tensor", found: shape, target: name.string, expected: info.shape), key: key)
      }
      guard info.dtype == dtype || (info.dtype.isMergeable && dtype.isMergeable) else {
        throw error(.replacementDType(target: name.string, found: dtype, expected: info.dtype), key: key)
      }
    } else {
      if let problem = inputs.quantized.problem(inPlaceOf: name, in: tensors, &resolver) { throw problem }
      guard inputs.options.addsTensors else {
        throw error(.newTensor(target: name.string, candidates: candidates(for: name)), key: key)
      }
    }
    if let other = tensors.updates[name]?.users.first(where: { $0.adapter != number }) {
      throw error(.replacedAndChanged(target: name.string, other: other.module), key: key)
    }
    return WholeTensor(
      name: name, source: MergePlan.Source(header, key, input: inputs.input(ofAdapter: number)), shape: shape,
      isNew: entry == nil, rule: found?.rule)
  }

  /// Whether a tensor with more or fewer rows than the base's is a vocabulary of another size: only embeddings and heads,
  /// with their biases, may change so.
  private func isResize(_ name: TensorName, from old: [Int], to new: [Int]) -> Bool {
    guard old.count == new.count, !old.isEmpty, old.dropFirst().elementsEqual(new.dropFirst()) else { return false }
    let vocabulary = inputs.vocabulary
    if vocabulary.names.contains(name) { return true }
    guard name.string.hasSuffix(".bias") else { return false }
    let weight = TensorName(name.string.dropLast("bias".count) + "weight")
    return vocabulary.names.contains(weight) || vocabulary.absent(weight) != nil
  }

  // MARK: - Rows

  /// The place of the rows that an adapter trained of an embedding.
  func match(_ rows: AdapterTokenRows, _ resolver: inout NameResolver) throws(PlanError) -> Rows {
    let key = rows.tensor
    try checkWeight(key)
    if let problem = LostUpdates.problem(of: rows, inputs.base.config) { throw error(problem, key: key) }
    let runtime = rows.module + ".weight"
    let resolved = try wholeTensor(runtime, &resolver, key: key)
    var name = resolved?.name ?? TensorName(runtime)
    if !tensors.exists(name), let twin = inputs.vocabulary.storedTwin(of: name) { name = twin }
    guard let shape = tensors.shape(of: name) else {
      throw error(.noTarget(target: name.string, candidates: candidates(for: name), otherModules: 0), key: key)
    }
    if let problem = inputs.quantized.problem(changing: name) { throw problem }
    let found = header.tensors.shape(at: key)
    guard shape.count == 2, found.count == 2, found[1] == shape[1] else {
      throw error(.shape(factor: "the rows", found: found, target: name.string, expected: shape), key: key)
    }
    if let dtype = tensors.unmergeableDType(of: name) {
      throw error(.targetDType(target: name.string, found: dtype), key: key)
    }
    let before = tensors.updates[name]
    guard before?.interleaveCount ?? 1 == 1 else {
      throw error(.slicedChange(target: name.string, what: "a change of single rows"), key: key)
    }
    let source = MergePlan.Source(header, key, input: inputs.input(ofAdapter: number))
    if let equality = secondName(rows, source, of: before, columns: shape[1]) {
      return Rows(name: name, rowCount: shape[0], replacements: [], rule: resolved?.rule, equality: equality)
    }
    var replaced = Set(before?.rows.map(\.row) ?? [])
    var replacements: [RowReplacement<FactorView>] = []
    for (position, row) in rows.indices.enumerated() {
      guard row < shape[0] else {
        throw error(.rowOutside(row: row, target: name.string, rows: shape[0]), key: key)
      }
      guard replaced.insert(row).inserted else { throw error(.rowTwice(row: row, target: name.string), key: key) }
      let values = FactorView(
        source, rows: 1, columns: shape[1], offset: position * shape[1], rowStride: shape[1], columnStride: 1)
      replacements.append(RowReplacement(row: row, values: values))
    }
    return Rows(name: name, rowCount: shape[0], replacements: replacements, rule: resolved?.rule)
  }

  /// What must be equal where the adapter saves the rows of one tensor under the names of all that are tied to it; nil: these
  /// are other rows.
  private func secondName(
    _ rows: AdapterTokenRows, _ source: MergePlan.Source, of before: PendingUpdate?, columns: Int
  ) -> MergePlan.Equality? {
    let adapter = inputs.adapters[number].adapter
    guard case .everyModule? = adapter.config.trainableTokenIndices, let before,
      Set(before.rows.map(\.row)) == Set(rows.indices), let first = before.rows.first?.values.source,
      before.rows.allSatisfy({ $0.values.source == first }),
      let twin = adapter.tokenRows.first(where: { MergePlan.Source(header, $0.tensor, input: source.input) == first })
    else { return nil }
    return MergePlan.Equality(
      one: .rowMajor(source, rows: rows.indices.count, columns: columns),
      other: .rowMajor(first, rows: rows.indices.count, columns: columns),
      oneName: header.tensors.name(at: rows.tensor), otherName: header.tensors.name(at: twin.tensor))
  }

  // MARK: - Both

  /// What replaces a value cannot be weighted.
  private func checkWeight(_ key: Int) throws(PlanError) {
    let weight = inputs.adapters[number].weight
    guard weight == 1 else { throw error(.weightedReplacement(weight: weight), key: key) }
  }

  /// The tensor of the base that an adapter's name means, which must be the whole of one; nil: there is none.
  private func wholeTensor(
    _ name: String, _ resolver: inout NameResolver, key: Int
  ) throws(PlanError) -> (name: TensorName, rule: String?)? {
    switch resolver.resolve(name, rows: nil, in: tensors) {
    case nil: return nil
    case .failure(let problem)?: throw error(.name(problem), key: key)
    case .success(let resolved)?:
      guard let whole = resolved.whole else {
        throw error(.slicedChange(target: name, what: "a whole tensor"), key: key)
      }
      return (whole, resolved.rule)
    }
  }

  private func candidates(for name: TensorName) -> [String] {
    NearestNames.find(name.string, in: inputs.baseTensors.names)
  }
}
