import JSONText
import Safetensors

/// One adapter on disk: a folder of PEFT or another trainer, or one safetensors file without a config.
///
/// Of a folder the config and the header of its weights are read, and no tensor data. Of a file the header, and the few
/// numbers that decide what it does: alphas, and the axes of IA3.
///
/// Every tensor of ``header`` is in exactly one of ``updates``, ``replacements``, ``tokenRows`` and
/// ``ignoredTensors``. Replacements come first, then updates are added, then token rows are written.
public struct Adapter: Sendable {
  /// The folder or file as the caller named it.
  public let path: String
  /// adapter_config.json in that folder, or in the only folder in it that has one; of an adapter that is one file, the file.
  public let configPath: String
  /// adapter_model.safetensors beside it, or the file.
  public let weightsPath: String
  /// What the adapter says of itself, if it is one file without a config; nil: it is a folder.
  public let file: FileDescription?
  /// What the config says.
  public let config: AdapterConfig
  /// The header of the weights.
  public let header: SafetensorsHeader
  /// What the adapter does to modules, in the order of the modules' bytes; of several parameters of a module, the one
  /// registered first comes first.
  public let updates: [ModuleUpdate]
  /// Whole tensors that replace the base's, in the order of their targets' bytes.
  public let replacements: [AdapterReplacement]
  /// Rows that replace rows of embeddings, in the order of the modules' bytes.
  public let tokenRows: [AdapterTokenRows]
  /// Tensors that a merge does not need, each with the reason.
  public let ignoredTensors: [IgnoredTensor]
  /// Keys of `rank_pattern` and `alpha_pattern` that decided no layer: PEFT ignores them without a word.
  public let unusedPatterns: [UnusedPattern]
  /// What does not stop a merge but may surprise, ``unusedPatterns`` among it: a line each, with the file's path.
  public let warnings: [String]
  /// Files beside ``weightsPath`` that hold weights too and that nothing is read of, relative to their folder.
  public let unreadWeights: [String]

  /// Whether it is one file without a config: a module's name is then as the file has it, to be looked up among the names
  /// that image models have.
  public var isFile: Bool { file != nil }

  /// What the adapter was trained on, if the config says so.
  public var baseModelName: String? { config.baseModelName }

  /// What the adapter says of its base, for messages: the config's ``baseModelName``, or the architecture or the name in a file's metadata.
  package var statedBase: String? {
    baseModelName
      ?? file.flatMap { $0.training.architecture ?? $0.training.baseModelVersion ?? $0.training.baseModelName }
  }

  /// Whether the layout of stacked experts is open: Unsloth wrote the adapter, without saying in which order, and the
  /// orders differ.
  public let isExpertLayoutAmbiguous: Bool

  /// The field of the config by which this tensor of the model in memory was trained whole, so that ``replacements`` must
  /// have it; nil: none.
  ///
  /// Only a base tells whether a whole tensor was lost: ask this for each of its tensors that nothing replaces.
  public func fieldReplacing(_ tensor: String) -> String? {
    if config.savedModules.contains(where: tensor.isTensor(ofModuleEndingWith:)) { return "modules_to_save" }
    if let field = config.tuner?.field(replacing: tensor) { return field }
    // Older releases did not save the biases of "lora_only": there is a warning if none is there.
    guard replacements.contains(where: { $0.kind == .bias }), tensor.isPath(endingWith: "bias") else { return nil }
    switch config.bias {
    case .none: return nil
    case .all: return "bias"
    case .loraOnly:
      return updates.contains { $0.layout != .embedding && "\($0.module).bias".utf8.elementsEqual(tensor.utf8) }
        ? "bias" : nil
    }
  }

  /// Whether ``replacements`` have another tensor of the modules by whose name this one would have been trained whole.
  ///
  /// - Parameter tensor: One of which ``fieldReplacing(_:)`` says that `modules_to_save` names it.
  public func savesElsewhere(_ tensor: String) -> Bool {
    // Of what `target_modules` names the adapter has other modules, or would be none.
    if config.tuner?.field(replacing: tensor) != nil { return true }
    return config.savedModules.filter(tensor.isTensor(ofModuleEndingWith:)).contains { entry in
      replacements.contains { $0.kind != .bias && $0.target.isTensor(ofModuleEndingWith: entry) }
    }
  }

  /// Reads the adapter in the folder at `path` and checks that its parts fit together.
  ///
  /// - Throws: The first thing that is missing, malformed, not supported or does not fit.
  public init(folder path: String) throws(AdapterError) {
    let folder = try AdapterFolder(path: path)
    let config = try folder.readConfig()
    guard let tuner = config.tuner else { throw AdapterError(path: folder.configPath, .peftType(found: nil)) }
    let header = try folder.readHeader()
    let (weightsPath, configPath) = (folder.weightsPath, folder.configPath)
    let table = header.tensors
    if table.isEmpty { throw AdapterError(path: weightsPath, .noTensors) }
    let keys = try AdapterKeys(table, folder.dialect(of: type(of: tuner)), path: weightsPath)
    if !config.omissions.hasType, !keys.hasFactors { throw AdapterError(path: configPath, .peftType(found: nil)) }
    let tensors = AdapterTensors(table: table, keys: keys, config: config, path: weightsPath, configPath: configPath)
    let made = try tuner.updates(of: tensors)
    let whole = try ReplacementTensors(tensors)
    let isEmpty =
      type(of: tuner).hasUpdates
      ? made.updates.isEmpty && !made.isPrunedWhole
      : whole.replacements.isEmpty && whole.tokenRows.isEmpty
    if isEmpty, config.targetsModules || !config.targetParameters.isEmpty {
      throw AdapterError(path: weightsPath, .noLayers)
    }
    try config.omissions.check(config, updates: made.updates, path: configPath)
    self.path = path
    file = nil
    self.configPath = configPath
    self.weightsPath = weightsPath
    self.config = config
    self.header = header
    updates = made.updates
    isExpertLayoutAmbiguous = made.isExpertLayoutAmbiguous
    replacements = whole.replacements
    tokenRows = whole.tokenRows
    ignoredTensors = made.ignored + whole.ignored
    unusedPatterns = made.unusedPatterns
    warnings =
      folder.warnings + keys.warnings + made.warnings + whole.warnings
      + config.omissions.warnings(config, updates: made.updates, path: configPath)
      + ConfigWarnings.find(config, updates: made.updates, unused: made.unusedPatterns, path: configPath)
    unreadWeights = UnreadWeights(folder: folder.path, beside: weightsPath).names
    try checkAccount(shared: made.shared)
  }

  /// Reads the adapter at `path`: a folder, or a safetensors file.
  ///
  /// - Throws: The first thing that is missing, malformed, not supported or does not fit.
  public init(path: String) throws(AdapterError) {
    if try AdapterFolder.isFolder(path) { try self.init(folder: path) } else { try self.init(file: path) }
  }

  /// Reads the adapter that is one safetensors file, as kohya, LyCORIS, diffusers, ComfyUI and others write them: no config is
  /// read, and none is needed.
  ///
  /// - Throws: The first thing that is malformed, unknown, not supported or does not fit.
  public init(file path: String) throws(AdapterError) {
    let header = try AdapterFile.header(path)
    let keys = try FileKeys(header.tensors, path: path)
    let training = TrainingFacts(header.metadata ?? [])
    let made = try FileAssembly(keys, header, training, path: path)
    if made.updates.isEmpty, made.replacements.isEmpty { throw AdapterError(path: path, .nothingToMerge) }
    let description = FileDescription(keys, made, training)
    self.path = path
    (configPath, weightsPath, self.header) = (path, path, header)
    config = AdapterConfig(fileOf: description.methodNames)
    file = description
    (updates, replacements, tokenRows, ignoredTensors) = (made.updates, made.replacements, [], made.ignored)
    (isExpertLayoutAmbiguous, unusedPatterns, unreadWeights) = (false, made.unusedPatterns, [])
    warnings = made.warnings + ConfigWarnings.unused(made.unusedPatterns, path: path)
    try checkAccount(shared: [])
  }

  /// Whether a safetensors file is an adapter by the names of its tensors, without the config that PEFT writes: whether
  /// ``init(file:)`` may read it.
  ///
  /// - Parameter header: The file's header.
  public static func isAdapter(_ header: SafetensorsHeader) -> Bool { AdapterFile.isAdapter(header.tensors) }

  /// Every tensor must have one use; a factor that several experts share is used once, by all of them.
  private func checkAccount(shared: Set<Int>) throws(AdapterError) {
    var uses = [Int](repeating: 0, count: header.tensors.count)
    for update in updates { for index in update.tensorIndices where !shared.contains(index) { uses[index] += 1 } }
    for index in shared where updates.contains(where: { $0.tensorIndices.contains(index) }) { uses[index] += 1 }
    for index in replacements.map(\.tensor) + tokenRows.map(\.tensor) + ignoredTensors.map(\.tensor) {
      uses[index] += 1
    }
    guard let index = uses.firstIndex(where: { $0 != 1 }) else { return }
    throw AdapterError(path: weightsPath, .uses(uses[index]), tensor: header.tensors.name(at: index))
  }
}

/// A key of `rank_pattern` or `alpha_pattern` that decided no layer.
public struct UnusedPattern: Equatable, Sendable {
  /// The field that it stands in.
  public let field: String
  /// The pattern.
  public let key: String
}
