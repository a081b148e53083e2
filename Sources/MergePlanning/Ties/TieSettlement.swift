import Adapters
import Checkpoints
import ModelNames
import Safetensors

/// Decides what becomes of adapters that touch parameters which the base keeps as one tensor, such as head and embedding.
///
/// Rows of tokens, and tensors that the adapter itself ties (`ensure_weight_tying`), leave them one. Everything else
/// makes them differ in what the adapter computed: they are then written apart, or one tensor is changed although all
/// read it, as ``MergeOptions/Tied`` says.
struct TieSettlement {
  private let inputs: MergeInputs
  private(set) var updates: [TensorName: PendingUpdate]
  /// Tensors that the base doesn't have, with the file of the base that they are written behind.
  private(set) var added: [(name: TensorName, file: Int)]
  private(set) var configEdits: [ConfigEdit] = []
  /// What must hold of the adapters' data.
  private(set) var equalities: [MergePlan.Equality] = []
  private(set) var warnings: [String] = []

  init(
    _ inputs: MergeInputs, _ updates: [TensorName: PendingUpdate], added: [(name: TensorName, file: Int)]
  ) throws(PlanError) {
    self.inputs = inputs
    self.updates = updates
    self.added = added
    let groups = inputs.vocabulary.groups
    try settleTwins()
    var untied: Set<[String]> = []
    for group in groups where group.isTied {
      if try settle(group), case .known(.config) = group.separation { untied.insert(group.section) }
    }
    guard !untied.isEmpty else { return }
    // The same value of config.json keeps others one: they are written apart as well, with the same values.
    for group in groups where group.isTied && untied.contains(group.section) {
      for name in group.absent where !self.added.contains(where: { $0.name == name }) { copy(group.stored, to: name) }
    }
    for section in untied.sorted(by: { $0.lexicographicallyPrecedes($1) }) { configEdits.append(.untie(section)) }
  }

  /// Refuses changes of a tensor that another module has too, unless both shall change.
  private mutating func settleTwins() throws(PlanError) {
    let vocabulary = inputs.vocabulary
    let twins =
      updates.keys.sorted().compactMap { name in
        isChanged(name) ? vocabulary.twins.absentTwin(of: name).map { (name, $0) } : nil
      } + incompleteBlocks()
    guard let (name, twin) = twins.first else { return }
    guard inputs.options.tied == .shared else {
      throw PlanError(
        path: inputs.adapters[0].adapter.weightsPath, tensor: nil,
        .twins(kept: name.string, other: twin, class: vocabulary.className))
    }
    let more = twins.count - 1
    let others = more == 0 ? "" : ", and so for \(more) more tensor\(more == 1 ? "" : "s")"
    warnings.append("\(name) and \(twin) are one weight\(others): both change, unlike in training")
  }

  /// Updates of an adapter in a block that several layers of the model share, with a layer for which the adapter has none.
  private func incompleteBlocks() -> [(TensorName, String)] {
    inputs.adapters.flatMap { use in
      let trained = Set(use.adapter.updates.map { TensorName($0.module) })
      return use.adapter.updates.compactMap { update in
        SharedModules.others(of: update.module, inputs.base.config).first { !trained.contains(TensorName($0)) }
          .map { (TensorName(update.module + ".weight"), $0 + ".weight") }
      }
    }
  }

  /// - Returns: Whether the group's parameters are more than one tensor in the result.
  private mutating func settle(_ group: VocabularyTensors.Group) throws(PlanError) -> Bool {
    let changed = group.names.filter { isChanged($0) }
    guard !changed.isEmpty else {
      spreadRows(group)
      return false
    }
    let areReplaced = changed.count > 1 && changed.allSatisfy { isReplacedOnly($0) }
    if inputs.adapters.count == 1, inputs.adapters[0].adapter.config.tiesWeights {
      try keepTied(group, changed)
      return false
    }
    if group.names.count == 1 {
      // One parameter that the model reads as its embedding and as its head: what is saved whole replaces both.
      if isReplacedOnly(changed[0]) { return false }
    } else if group.absent.isEmpty, inputs.options.tied != .shared {
      // All are on disk, and each becomes what its own change makes of it.
      spreadRows(group)
      warnings.append("\(listed(group.names)) were tied in the base and are no longer tied")
      return true
    }
    switch inputs.options.tied {
    case .refuse where areReplaced:
      // All saved whole, as PEFT saves the names of one tensor: kept as one if they are equal, which the engine checks; if
      // not, it says so.
      try keepTied(group, changed)
      return false
    case .refuse:
      guard group.isSeparable else { throw inseparable(group, changed) }
      throw PlanError(
        path: inputs.adapters[0].adapter.weightsPath, tensor: nil,
        .tied(
          names: group.names.reversed().map(\.string), changed: changed.map(\.string), editsConfig: group.canBeUntied))
    case .shared:
      guard changed.count == 1 else { throw changedDifferently(group) }
      move(changed[0], to: group)
      warnings.append(
        (group.names.count == 1
          ? "\(group.names[0]) is also the head: both change"
          : "\(listed(group.names)) are one tensor: "
            + (group.names.count == 2 ? "both" : "all") + " change") + ", unlike in training")
      return false
    case .split:
      try split(group, changed)
      return true
    }
  }

  /// Whether anything but single rows of a tensor changes.
  private func isChanged(_ name: TensorName) -> Bool {
    updates[name].map { $0.replacement != nil || !$0.steps.isEmpty } ?? false
  }

  private func isReplacedOnly(_ name: TensorName) -> Bool {
    updates[name].map { $0.replacement != nil && $0.steps.isEmpty } ?? false
  }

  private func inseparable(_ group: VocabularyTensors.Group, _ changed: [TensorName]) -> PlanError {
    PlanError(
      path: inputs.adapters[0].adapter.weightsPath, tensor: nil,
      .inseparable(
        names: group.names.reversed().map(\.string), changed: changed.map(\.string), class: inputs.vocabulary.className,
        isUnknown: group.separation == .unknownClass))
  }

  private func changedDifferently(_ group: VocabularyTensors.Group) -> PlanError {
    PlanError(
      path: inputs.adapters[0].adapter.weightsPath, tensor: nil, .tiedBoth(names: group.names.reversed().map(\.string)))
  }

  private func listed(_ names: [TensorName]) -> String { PlanError.listed(names.map(\.string)) }

  /// Rows of tokens were trained as one tensor: all that are on disk get them.
  private mutating func spreadRows(_ group: VocabularyTensors.Group) {
    let stored = group.members.filter(\.isStored).map(\.name)
    guard let rows = group.names.compactMap({ updates[$0]?.rows }).first(where: { !$0.isEmpty }) else { return }
    for name in stored where updates[name]?.rows.isEmpty ?? true {
      updates[name, default: PendingUpdate()].rows = rows
      guard let twin = stored.first(where: { $0 != name && !(updates[$0]?.rows.isEmpty ?? true) }) else { continue }
      let users = updates[twin]?.users ?? []
      updates[name]?.users += users
    }
  }

  // MARK: - Apart

  private mutating func split(_ group: VocabularyTensors.Group, _ changed: [TensorName]) throws(PlanError) {
    let stored = group.stored
    switch group.separation {
    case .known(.config):
      for name in group.absent { copy(stored, to: name) }
      warnings.append(
        "\(listed(group.names)) are written separately; tie_word_embeddings in config.json is now false")
    case .known(.values):
      // What follows an unchanged source is tied to it by whatever reads the model.
      let source = group.names[0]
      for name in group.absent where isChanged(name) || isChanged(source) { copy(stored, to: name) }
      warnings.append(
        "\(listed(group.names)) are written separately, but config.json still ties them, because "
          + "\(inputs.vocabulary.className ?? "the model class") cannot be loaded untied: transformers 5 keeps tensors that "
          + "differ, older releases tie them again")
    case .known(.never), .unknownClass:
      throw inseparable(group, changed)
    }
    spreadRows(group)
  }

  /// Writes a tensor that the base has not as it keeps it, before what changes it alone.
  private mutating func copy(_ stored: TensorName, to name: TensorName) {
    added.append((name, inputs.baseTensors.file(of: stored) ?? 0))
    var work = updates[name] ?? PendingUpdate()
    work.copyOf = stored
    work.rows = updates[stored]?.rows ?? []
    if work.replacement == nil, let other = updates[stored]?.replacement, isResized(stored) {
      // Of another size, all of them are: those that were not trained hold what the embedding holds.
      work.replacement = other
    }
    updates[name] = work
  }

  private func isResized(_ name: TensorName) -> Bool {
    updates[name]?.replacement.map { $0.shape != inputs.baseTensors.entry(name)?.info.shape } ?? false
  }

  // MARK: - As one

  /// Gives the change of one of them to all that are on disk.
  private mutating func move(_ changed: TensorName, to group: VocabularyTensors.Group) {
    guard let work = updates[changed] else { return }
    let rows = group.names.compactMap { updates[$0]?.rows }.first { !$0.isEmpty } ?? []
    for name in group.names { updates[name] = nil }
    for member in group.members where member.isStored {
      updates[member.name] = work
      updates[member.name]?.rows = rows
    }
  }

  /// An adapter that was trained with `ensure_weight_tying` holds the same change several times, once for the embedding and
  /// once, mirrored, for the head: it is made once, and the engine checks that all are equal before it writes.
  private mutating func keepTied(_ group: VocabularyTensors.Group, _ changed: [TensorName]) throws(PlanError) {
    // The one on disk, whose change is made, comes first.
    let kept = changed.first { inputs.baseTensors.entry($0) != nil } ?? changed[0]
    guard let work = updates[kept] else { return }
    for name in changed where name != kept {
      guard let other = updates[name], (other.replacement == nil) == (work.replacement == nil),
        other.replacement?.shape == work.replacement?.shape, isMirrored(other.steps, work.steps)
      else { throw changedDifferently(group) }
      equalities += matrices(other, work).map { one, other in
        MergePlan.Equality(one: one, other: other, oneName: name, otherName: kept)
      }
    }
    move(kept, to: group)
  }

  private func matrices(_ work: PendingUpdate, _ kept: PendingUpdate) -> [(FactorView, FactorView)] {
    var matrices: [(FactorView, FactorView)] = []
    // Empty ones are equal, and of their dimensions no product may be formed.
    if let one = work.replacement, let other = kept.replacement, !one.shape.contains(0) {
      let (rows, columns) = TensorUpdate.matrix(of: one.shape)
      matrices.append(
        (
          .rowMajor(one.source, rows: rows, columns: columns), .rowMajor(other.source, rows: rows, columns: columns)
        ))
    }
    for (one, other) in zip(work.steps.flatMap(\.terms), kept.steps.flatMap(\.terms)) {
      matrices += zip(one.operands, other.operands)
    }
    return matrices
  }

  /// Whether two lists of steps would be the same change if their factors held the same values; where they round does not
  /// matter.
  private func isMirrored(_ one: [TensorUpdate.Step], _ other: [TensorUpdate.Step]) -> Bool {
    func deltas(_ steps: [TensorUpdate.Step]) -> [[Term<Shape>]]? {
      var deltas: [[Term<Shape>]] = []
      for step in steps {
        // The norms of a rescaling are those of one tensor alone.
        if case .rescale = step { return nil }
        if let addition = step.addition { deltas.append(addition.map(Shape.init).terms) }
      }
      return deltas
    }
    guard let one = deltas(one), let other = deltas(other) else { return false }
    return one == other
  }

  /// What of a matrix is known before it is read.
  private struct Shape: Equatable {
    let rows: Int
    let columns: Int

    init(_ view: FactorView) { (rows, columns) = (view.rows, view.columns) }
  }
}
