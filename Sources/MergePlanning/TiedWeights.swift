import Safetensors

extension MergePlanner {
  /// Decides what becomes of an adapter that touches the head or the embedding of a model that keeps both as one tensor.
  ///
  /// Rows of tokens, and tensors that the adapter itself ties (`ensure_weight_tying`), leave them one. Everything else
  /// makes them differ in what the adapter computed: head and embedding are then written apart, or one tensor is changed
  /// although both read it, as ``MergeOptions/Tied`` says.
  mutating func settleTiedWeights() throws(PlanError) {
    guard let pair, pair.isShared else { return }
    let head = works[pair.head]
    let embedding = works[pair.embedding]
    let changesHead = head.map { $0.replacement != nil || !$0.stages.isEmpty } ?? false
    let changesEmbedding = embedding.map { $0.replacement != nil || !$0.stages.isEmpty } ?? false
    guard changesHead || changesEmbedding else { return }
    if adapters.count == 1, adapters[0].adapter.config.tiesWeights {
      return try keepTied(pair, head: head, embedding: embedding, changesBoth: changesHead && changesEmbedding)
    }
    let replacesBoth = head?.replacement != nil && embedding?.replacement != nil
    if options.tied == .refuse, replacesBoth, head?.stages.isEmpty == true, embedding?.stages.isEmpty == true {
      // Both saved whole, as PEFT saves the two names of one tensor: kept as one if they are equal, which the engine
      // checks; if not, it says so.
      return try keepTied(pair, head: head, embedding: embedding, changesBoth: true)
    }
    switch options.tied {
    case .refuse:
      throw PlanError(
        path: adapters[0].adapter.weightsPath, tensor: nil,
        .tied(
          head: pair.head.string, embedding: pair.embedding.string, changesHead: changesHead,
          changesEmbedding: changesEmbedding))
    case .shared:
      guard changesHead != changesEmbedding else {
        throw PlanError(
          path: adapters[0].adapter.weightsPath, tensor: nil,
          .tiedBoth(head: pair.head.string, embedding: pair.embedding.string))
      }
      if changesHead, let work = head {
        works[pair.head] = nil
        var merged = work
        merged.rows = embedding?.rows ?? []
        works[pair.embedding] = merged
      }
      warnings.append(
        "\(pair.embedding) and \(pair.head) are one tensor: both change, which is not what the adapter computed")
    case .split:
      added.append((pair.head, virtualBase.file(of: pair.embedding) ?? 0))
      works[pair.head, default: TensorWork()].copyOf = pair.embedding
      // Rows of tokens were trained as one tensor: both get them.
      works[pair.head]?.rows = embedding?.rows ?? []
      configEdits.append(.untie)
      warnings.append(
        "\(pair.embedding) and \(pair.head) are written apart, and config.json says so (tie_word_embeddings)")
    }
  }

  /// An adapter that was trained with `ensure_weight_tying` holds the same change twice, once for the embedding and once,
  /// mirrored, for the head: it is made once, and the engine checks that the two are equal before it writes.
  private mutating func keepTied(
    _ pair: EmbeddingPair, head: TensorWork?, embedding: TensorWork?, changesBoth: Bool
  ) throws(PlanError) {
    works[pair.head] = nil
    guard changesBoth, let head, let embedding else {
      if let head, !head.stages.isEmpty || head.replacement != nil {
        var work = head
        work.rows = embedding?.rows ?? []
        works[pair.embedding] = work
      }
      return
    }
    let isMirrored = isMirrored(head.stages, embedding.stages)
    let haveReplacements = (head.replacement != nil, embedding.replacement != nil)
    guard haveReplacements.0 == haveReplacements.1, head.replacement?.shape == embedding.replacement?.shape, isMirrored
    else {
      throw PlanError(
        path: adapters[0].adapter.weightsPath, tensor: nil,
        .tiedBoth(head: pair.head.string, embedding: pair.embedding.string))
    }
    var matrices: [(FactorView, FactorView)] = []
    // Empty ones are equal, and of their dimensions no product may be formed.
    if let one = head.replacement, let other = embedding.replacement, !one.shape.contains(0) {
      let (rows, columns) = TensorUpdate.matrix(of: one.shape)
      matrices.append(
        (
          .rowMajor(one.source, rows: rows, columns: columns), .rowMajor(other.source, rows: rows, columns: columns)
        ))
    }
    for (one, other) in zip(head.stages.flatMap(\.terms), embedding.stages.flatMap(\.terms)) {
      matrices += zip(one.views, other.views)
    }
    equalities += matrices.map { one, other in
      MergePlan.Equality(one: one, other: other, oneName: pair.head, otherName: pair.embedding)
    }
  }

  /// Whether two lists of stages would be the same change if their factors held the same values.
  private func isMirrored(_ one: [TensorUpdate.Stage], _ other: [TensorUpdate.Stage]) -> Bool {
    guard one.count == other.count else { return false }
    return zip(one, other).allSatisfy { one, other in
      one.magnitude == nil && other.magnitude == nil && one.terms.count == other.terms.count
        && zip(one.terms, other.terms).allSatisfy { one, other in
          one.rows == other.rows && one.columns == other.columns && one.scaling == other.scaling
            && one.views.map { [$0.rows, $0.columns] } == other.views.map { [$0.rows, $0.columns] }
        }
    }
  }
}
