import AdapterWriting
import Checkpoints
import JSONText
import LowRank
import MergePlanning
import Platform
import Safetensors

/// How an adapter is made of a base and a tuned model: which parameters are decomposed, copied, or left out.
///
/// A plan reads headers and compares the bytes of what is no matrix; matrices are read by its units.
public struct ExtractionPlan: Sendable {
  /// A whole tensor of the tuned model that the adapter has.
  struct Saved: Sendable {
    let parameter: LiveParameter
    let header: SafetensorsHeader
    let path: String
  }

  /// The matrices, each decomposed by a unit of its own. A unit whose matrices are equal makes nothing.
  public let units: [AdapterUnit]
  /// Changed parameters that the adapter does not have, by their names in the model in memory: what an adapter cannot hold, where that
  /// was allowed.
  public let leftOut: [String]
  /// Matrices that are not selected: they were not compared.
  public let unselected: [String]
  /// Paths of all modules of the tuned model that have a matrix.
  let matrixModules: [String]
  /// Modules that are saved whole.
  let savedModules: [String]
  let saved: [Saved]
  /// All biases outside of saved modules, if one differs.
  let biases: [Saved]
  /// Tensors that the adapter has whole.
  public var savedTensorCount: Int { saved.count + biases.count }
  /// The tuned model, for errors.
  let path: String
  let baseName: String?
  let taskType: String?
  let isTransposed: Bool
  /// Modules that are tied to a module and not on disk.
  let tiedModules: [String: [String]]

  /// Matches the models and decides about every parameter.
  ///
  /// - Throws: ``FactorizationError``; `FileError` for what cannot be read.
  public init(base: Checkpoint, tuned: Checkpoint, _ options: ExtractionOptions) throws {
    path = tuned.path
    let change = try ModelChange(base: base, tuned: tuned)
    var sorting = ParameterSorting(change, options)
    for pair in change.pairs { try sorting.add(pair) }
    try sorting.add(missing: change.missing)
    leftOut = sorting.leftOut
    unselected = sorting.unselected
    matrixModules = change.pairs.filter { $0.tuned.isMatrix }.map(\.tuned.module)
    func whole(_ parameter: LiveParameter) -> Saved {
      let file = tuned.files[parameter.file]
      return Saved(parameter: parameter, header: file.header, path: file.path)
    }
    let modules = sorting.savedModules
    savedModules = change.pairs.map(\.tuned.module).filter(modules.contains).uniqued
    self.saved = change.pairs.map(\.tuned).filter { modules.contains($0.module) }.map(whole)
    biases =
      sorting.hasChangedBias
      ? change.pairs.map(\.tuned).filter { $0.kind == .bias && !modules.contains($0.module) }.map(whole) : []
    baseName = options.baseName
    taskType = Self.taskType(tuned.config ?? base.config)
    isTransposed = sorting.targets.contains { $0.tuned.kind == .transposedLinear }
    tiedModules = change.pairs.reduce(into: [:]) { tied, pair in
      if !pair.tuned.tiedModules.isEmpty { tied[pair.tuned.module] = pair.tuned.tiedModules }
    }
    let targets = sorting.targets.filter { !modules.contains($0.tuned.module) }
    if targets.isEmpty, self.saved.isEmpty, biases.isEmpty {
      throw FactorizationError(
        path: tuned.path, sorting.unselected.isEmpty ? .noChange : .nothingTargeted)
    }
    units = try targets.map { try ModuleExtraction($0, sorting.reading, options).unit }
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
