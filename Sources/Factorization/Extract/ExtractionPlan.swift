import AdapterWriting
import Adapters
import Checkpoints
import JSONText
import LowRank
import MergePlanning
import Platform
import Safetensors

/// How an adapter is made of a base and a tuned model: which parameters are decomposed, copied, or left out.
///
/// A plan reads headers and compares the bytes of what is no matrix; matrices are read by its units.
public struct ExtractionPlan: ExtractedAdapter {
  /// The matrices, each decomposed by a unit of its own. A unit whose matrices are equal makes nothing.
  public let units: [AdapterUnit]
  /// Changed parameters that the adapter does not have, by their names in the model in memory: what an adapter cannot hold, where that
  /// was allowed.
  public let leftOut: [String]
  /// Matrices that are not selected: they were not compared.
  public let unselected: [String]
  /// Paths of all modules of the tuned model that have a matrix.
  let matrixModules: [String]
  /// Modules that are saved whole and that the base does not have, such as a new head: a merge adds
  /// them only with `--add-tensors`.
  public let newModules: [String]
  public let untiedModules: [String]
  let saved: SavedModules
  /// Whether something of the saved modules differs: PEFT expects some heads in the file even if nothing does.
  let hasSavedChange: Bool
  /// All biases outside of saved modules, if one differs.
  let biases: [LiveParameter]
  /// Tensors that the adapter has whole.
  public var savedTensorCount: Int { saved.parameters.count + biases.count }
  let baseName: String?
  let taskType: String?
  let isTransposed: Bool
  /// Modules whose weight is adapted as a parameter.
  let routers: Set<String>
  /// Modules that are tied to a module and not on disk.
  let tiedModules: [String: [String]]
  let tuned: any ModelSide
  /// What is read in place of the tuned model, for errors.
  let path: String

  /// Matches two models and decides about every parameter.
  ///
  /// - Throws: ``FactorizationError``; what reading headers throws.
  public init(base: Checkpoint, tuned: Checkpoint, _ options: ExtractionOptions) throws {
    for model in [base, tuned] { try ModelChange.check(model) }
    try self.init(
      base: StoredSide(base, kernels: options.kernels), tuned: StoredSide(tuned, kernels: options.kernels),
      path: tuned.path, options)
  }

  /// Plans the merge of an adapter of any kind, and decides about every parameter that it would change: the result is the adapter as
  /// a LoRA.
  ///
  /// - Throws: ``FactorizationError``; what planning a merge throws.
  public init(base: Checkpoint, adapter: Adapter, _ options: ExtractionOptions) throws {
    try ModelChange.check(base)
    let names = try LiveParameters(of: base)
    let stored = try StoredSide(base, names, kernels: options.kernels)
    try self.init(
      base: stored, tuned: MergedSide(adapter, into: stored, names, kernels: options.kernels),
      adapter: adapter, path: adapter.weightsPath, options)
  }

  /// - Parameter adapter: Nil: there are two models.
  private init(
    base: StoredSide, tuned: any ModelSide, adapter: Adapter? = nil, path: String, _ options: ExtractionOptions
  ) throws {
    self.path = path
    let change = ModelChange(base: base, tuned: tuned)
    try LayerLists(change).check(change)
    var sorting = ParameterSorting(change, options)
    for pair in change.pairs { try sorting.add(pair) }
    try sorting.add(missing: change.missing)
    self.tuned = tuned
    let parameters = change.pairs.map(\.tuned)
    // What an adapter was trained for may need another class than that of its base.
    taskType = adapter.map(\.config.taskType) ?? Self.taskType(tuned.model.config ?? base.model.config)
    saved = SavedModules(parameters, changed: sorting.savedModules, taskType: taskType)
    let modules = saved.modules
    hasSavedChange =
      try !sorting.savedModules.isEmpty
      || change.pairs.contains { try modules.contains($0.tuned.module) && !sorting.reading.areSame($0) }
    let savedNames = Set(saved.parameters.map(\.name))
    leftOut = sorting.leftOut.filter { !savedNames.contains($0) }
    unselected = sorting.unselected.filter { !modules.contains($0) }
    matrixModules = parameters.filter(\.isMatrix).map(\.module)
    untiedModules = NewModules.untied(change, modules.union(sorting.targets.map(\.tuned.module)))
    newModules = NewModules.find(change, modules)
    biases =
      sorting.changedBiases.allSatisfy(modules.contains)
      ? [] : parameters.filter { $0.kind == .bias && !modules.contains($0.module) }
    baseName = options.baseName
    isTransposed = sorting.targets.contains { $0.tuned.kind == .transposedLinear }
    routers = Routers.find(parameters)
    tiedModules = change.pairs.reduce(into: [:]) { tied, pair in
      if !pair.tuned.tiedModules.isEmpty { tied[pair.tuned.module] = pair.tuned.tiedModules }
    }
    let targets = sorting.targets.filter { !modules.contains($0.tuned.module) }
    let stacks = sorting.stacks.filter { !modules.contains($0.tuned.module) }
    if targets.isEmpty, stacks.isEmpty, !hasSavedChange, biases.isEmpty {
      throw FactorizationError(
        path: path, sorting.unselected.isEmpty ? (adapter == nil ? .noChange : .zeroUpdates) : .nothingTargeted)
    }
    units =
      targets.map { ModuleExtraction($0, sorting.reading, options).unit }
      + ExpertExtraction.all(stacks, sorting.reading, options).map(\.unit)
  }

  /// `task_type` of an adapter, by the model's class.
  private static func taskType(_ config: JSONValue?) -> String? {
    guard case .array(let names)? = config?["architectures"], case .string(let name)? = names.first else { return nil }
    let endings = [
      ("ForCausalLM", "CAUSAL_LM"), ("LMHeadModel", "CAUSAL_LM"), ("ForConditionalGeneration", "SEQ_2_SEQ_LM"),
      ("ForSequenceClassification", "SEQ_CLS"), ("ForTokenClassification", "TOKEN_CLS"),
      ("ForQuestionAnswering", "QUESTION_ANS"),
    ]
    return endings.first { name.hasSuffix($0.0) }?.1
  }
}

extension LiveParameter {
  /// Whether its change can be a product of two factors.
  var isMatrix: Bool {
    switch kind {
    case .linear, .transposedLinear, .embedding: true
    case .convolution: tensor.shape.count > 2
    case .experts, .bias, .vector, .other: false
    }
  }
}

extension [String] {
  /// Each once, in the order of the first.
  var uniqued: [String] {
    var seen: Set<String> = []
    return filter { seen.insert($0).inserted }
  }
}
