import Safetensors

/// The search for a name that is not the base's own, by explicit rules in a fixed order: no name is compared by similarity.
struct PlacementSearch {
  let base: BaseView
  let runtimeNames: RuntimeNames

  /// Finds a tensor as ``derived(_:rows:experts:)`` does, then with another beginning, then in another trainer's spelling.
  func find(_ text: String, rows: Int?, experts: Int?) -> Resolution? {
    if let found = derived(text, rows: rows, experts: experts) { return found }
    if let found = withOtherBeginning(text, rows: rows, experts: experts) { return found }
    guard let other = SpellingRules.variant(text) else { return nil }
    let found =
      base.tensor(named: TensorName(other.name)).map { Resolution.success($0) }
      ?? find(other.name, rows: rows, experts: experts)
    return found?.map { $0.adding(other.rule) }
  }

  /// Finds a tensor by its name's own beginning: as transformers converts the base's names or the adapter's, as a part of a
  /// fused projection or the reverse, as a part of a Mamba block's, as a stack of experts.
  private func derived(_ text: String, rows: Int?, experts: Int?) -> Resolution? {
    converted(text, rows: rows, experts: experts) ?? FusedProjections(base: base).find(text)
      ?? MambaProjections(base: base).find(text, rows: rows)
      ?? ExpertStacks(search: self).find(text, rows: rows, experts: experts)
  }

  /// Tries the beginnings that stand for each other. Whatever they find must be the same place.
  private func withOtherBeginning(_ text: String, rows: Int?, experts: Int?) -> Resolution? {
    var found: [TensorPlacement] = []
    var problem: NameProblem?
    for (variant, rule) in PrefixAliases.variants(text, modelPrefix: runtimeNames.rules.modelPrefix) {
      let resolution =
        own(TensorName(variant)).map { Resolution.success($0) } ?? derived(variant, rows: rows, experts: experts)
      switch resolution {
      case .success(let name)?:
        if !found.contains(where: { $0.parts == name.parts }) { found.append(name.adding(rule)) }
      case .failure(let other)?: problem = problem ?? other
      case nil: break
      }
    }
    if found.count > 1 {
      return .failure(.ambiguousName(target: text, candidates: found.compactMap(\.parts.first?.tensor.string)))
    }
    return found.first.map { .success($0) } ?? problem.map { .failure($0) }
  }

  /// A tensor that is on disk under the name, or one with another that is.
  private func own(_ name: TensorName) -> TensorPlacement? {
    if let shape = base.tensors.storedShape(of: name) {
      return TensorPlacement(whole: name, as: name, shape: shape, rule: nil)
    }
    guard let absent = base.tensors.absent(name), let shape = base.shape(of: absent) else { return nil }
    return TensorPlacement(whole: absent, as: name, shape: shape, rule: nil)
  }

  /// Finds a tensor by the table of transformers.
  func converted(_ text: String, rows: Int?, experts: Int?) -> Resolution? {
    let name = TensorName(text)
    let assembly = Assembly(base: base)
    let pieces = runtimeNames.pieces(of: name)
    if !pieces.isEmpty { return assembly.find(name, pieces, experts: experts) }
    // The adapter may have the names that are on disk elsewhere, and the base those of the runtime model.
    let place = runtimeNames.rules.runtimePlace(of: text)
    guard !place.rule.isEmpty else { return nil }
    guard let part = place.part else {
      let other = TensorName(place.names[0])
      guard other != name else { return nil }
      if let shape = base.shape(of: other) {
        return .success(TensorPlacement(whole: other, as: name, shape: shape, rule: place.rule))
      }
      let pieces = runtimeNames.pieces(of: other)
      return pieces.isEmpty ? nil : assembly.find(other, pieces, experts: experts)?.map { $0.adding(place.rule) }
    }
    let targets = place.names.map { TensorName($0) }
    guard targets.count == 1, let target = targets.first else {
      return JoinStep(base: base).find(name, among: targets, part, rule: place.rule)
    }
    let same = runtimeNames.pieces(of: target).filter { $0.place.part == part }
    if same.count == 1, let piece = same.first, let shape = base.shape(of: piece.tensor) {
      return .success(TensorPlacement(whole: piece.tensor, as: name, shape: shape, rule: place.rule))
    }
    guard let shape = base.shape(of: target) else { return nil }
    return SliceStep.find(name, in: target, shape, part, rows: rows, rule: place.rule)
  }
}
