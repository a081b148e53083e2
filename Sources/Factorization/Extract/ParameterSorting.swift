import Checkpoints
import MergePlanning
import Platform
import Safetensors

/// Sorts the changed parameters by the form in which the adapter has them.
struct ParameterSorting {
  private let change: ModelChange
  private let options: ExtractionOptions
  let reading: ModelReading
  /// Matrices that are decomposed, if they differ.
  private(set) var targets: [ModelChange.Pair] = []
  /// Stacks of experts, which are decomposed too.
  private(set) var stacks: [ModelChange.Pair] = []
  /// Modules that are saved whole.
  private(set) var savedModules: Set<String> = []
  /// Modules whose bias differs.
  private(set) var changedBiases: [String] = []
  private(set) var leftOut: [String] = []
  private(set) var unselected: [String] = []

  init(_ change: ModelChange, _ options: ExtractionOptions) {
    self.change = change
    self.options = options
    reading = ModelReading(base: change.base, tuned: change.tuned, kernels: options.kernels)
  }

  /// - Throws: ``FactorizationError`` for a change that the adapter cannot hold.
  mutating func add(_ pair: ModelChange.Pair) throws {
    let tuned = pair.tuned
    switch change.tuned.change(of: tuned) {
    case .nothing?: return
    case .addition? where tuned.isMatrix: return addMatrix(pair)
    default: break
    }
    guard let base = pair.base else {
      // A module that only the tuned model has, such as a new head.
      guard [.linear, .transposedLinear, .embedding, .bias, .vector].contains(tuned.kind) else {
        return try leaveOut(tuned, "a parameter that the base does not have")
      }
      guard !NewModules.isInLayer(tuned.module) else {
        return try leaveOut(tuned, "a module of a layer that the base does not have")
      }
      savedModules.insert(tuned.module)
      return
    }
    guard base.tensor.shape == tuned.tensor.shape else {
      // A vocabulary of another size: the embedding is saved whole, and so is the head.
      let isResized =
        base.tensor.shape.count == 2 && tuned.tensor.shape.count == 2
        && base.tensor.shape[1] == tuned.tensor.shape[1] && [.embedding, .linear].contains(tuned.kind)
      guard isResized else {
        if options.leavesOutOthers { return leftOut.append(tuned.name) }
        throw FactorizationError(
          path: change.tuned.model.files[tuned.file].path, tensor: tuned.tensor.name.string,
          .shape(base: base.tensor.shape, tuned: tuned.tensor.shape))
      }
      savedModules.insert(tuned.module)
      return
    }
    if tuned.isMatrix { return addMatrix(pair) }
    if case .experts = tuned.kind { return addStack(pair) }
    if try reading.areSame(pair) { return }
    switch tuned.kind {
    case .bias: changedBiases.append(tuned.module)
    case .vector: savedModules.insert(tuned.module)
    default:
      try leaveOut(
        tuned,
        tuned.name.hasSuffix("in_proj_weight")
          ? "a MultiheadAttention" : "a parameter that is neither a weight nor a bias")
    }
  }

  private mutating func addMatrix(_ pair: ModelChange.Pair) {
    guard options.selects(pair.tuned.module) else { return unselected.append(pair.tuned.module) }
    targets.append(pair)
  }

  private mutating func addStack(_ pair: ModelChange.Pair) {
    guard options.selects(pair.tuned.name) else { return unselected.append(pair.tuned.name) }
    stacks.append(pair)
  }

  /// - Throws: ``FactorizationError`` with `missing`.
  mutating func add(missing: [LiveParameter]) throws {
    guard let first = missing.first else { return }
    if options.leavesOutOthers {
      leftOut += missing.map(\.name)
      return
    }
    throw FactorizationError(
      path: change.base.model.files[first.file].path, tensor: first.tensor.name.string,
      .missing(more: missing.count - 1))
  }

  private mutating func leaveOut(_ parameter: LiveParameter, _ kind: String) throws {
    if options.leavesOutOthers { return leftOut.append(parameter.name) }
    throw FactorizationError(
      path: change.tuned.model.files[parameter.file].path, tensor: parameter.tensor.name.string, .other(kind))
  }
}
