import Safetensors

/// The tensors of an adapter that replace something of the base, and those that a merge does not need.
struct ReplacementTensors {
  /// In the order of the targets' bytes.
  private(set) var replacements: [AdapterReplacement] = []
  /// In the order of the modules' bytes.
  private(set) var tokenRows: [AdapterTokenRows] = []
  private(set) var ignored: [IgnoredTensor] = []
  private(set) var warnings: [String] = []

  private let table: TensorTable
  private let keys: [AdapterKey]
  private let dialect: KeyDialect
  private let config: AdapterConfig
  private let path: String
  private let configPath: String
  /// The modules whose own weight is saved beside their update.
  private let copiedLayers: Set<TensorName>
  /// The tensor that each target is replaced by.
  private var byTarget: [TensorName: Int] = [:]

  init(_ tensors: AdapterTensors) throws(AdapterError) {
    let keys = tensors.keys
    table = tensors.table
    self.keys = keys.keys
    dialect = keys.dialect
    config = tensors.config
    path = tensors.path
    configPath = tensors.configPath
    copiedLayers = Set(self.keys.filter { $0.role == .baseLayer(leaf: "weight") }.map(\.module))
    for (index, key) in self.keys.enumerated() { try take(key, at: index) }
    try takeSavedCopies()
    try takeOriginals()
    replacements.sort { TensorName($0.target) < TensorName($1.target) }
    try takeTokenRows()
    try checkSavedModules()
    checkBiases()
  }

  private func failure(_ problem: AdapterError.Problem, at index: Int) -> AdapterError {
    AdapterError(path: path, problem, tensor: table.name(at: index))
  }

  private mutating func replace(
    _ target: String, with index: Int, _ kind: AdapterReplacement.Kind
  ) throws(AdapterError) {
    if let other = byTarget.updateValue(index, forKey: TensorName(target)) {
      throw failure(.sameTarget(target, other: table.name(at: other).string), at: index)
    }
    if kind == .bias {
      let shape = table.shape(at: index)
      guard shape.count == 1 else { throw failure(.shape(expected: "(out)", found: shape), at: index) }
    }
    replacements.append(AdapterReplacement(kind: kind, target: target, tensor: index))
  }

  private mutating func take(_ key: AdapterKey, at index: Int) throws(AdapterError) {
    switch key.role {
    case .plain(let leaf):
      let kind: AdapterReplacement.Kind = leaf == "bias" && config.bias != .none ? .bias : .savedModule
      try replace("\(key.module.string).\(leaf)", with: index, kind)
    case .baseLayer("weight"):
      try replace("\(key.module.string).weight", with: index, .baseLayer)
    case .baseLayer("bias"):
      if config.bias == .none, !copiedLayers.contains(key.module) { throw failure(.baseBiasNotDeclared, at: index) }
      try replace("\(key.module.string).bias", with: index, config.bias == .none ? .baseLayer : .bias)
    // Old releases saved every key with "bias" in it, such as in_proj_bias of a MultiheadAttention.
    case .baseLayer(let leaf) where config.bias == .all && leaf.utf8.reversed().starts(with: "_bias".utf8.reversed()):
      try replace("\(key.module.string).\(leaf)", with: index, .bias)
    // What an embedding that is saved whole has beside its weight, such as T5Gemma2's eoi_embedding.
    case .baseLayer(let leaf) where copiedLayers.contains(key.module):
      try replace("\(key.module.string).\(leaf)", with: index, .baseLayer)
    case .baseLayer: throw failure(.unknownKey, at: index)
    default: break
    }
  }

  /// `modules_to_save.NAME`: what older releases wrote, or a second copy of what stands under the plain name.
  private mutating func takeSavedCopies() throws(AdapterError) {
    var count = 0
    for (index, key) in keys.enumerated() {
      guard case .savedCopy(let name) = key.role else { continue }
      let target = ([key.module.string] + name).joined(separator: ".")
      // bias="all" saves every key that ends with ".bias", a resized embedding or head every key below it: the head may be
      // inside of a module that was trained whole, such as BERT's predictions.
      let module = ([key.module.string] + name.dropLast()).joined(separator: ".")
      let isHead =
        name.count > 1 && (name.last == "weight" || name.last == "bias") && EmbeddingNames.isHead(module + ".weight")
      if byTarget[TensorName(target)] != nil, isHead || name == ["weight"] || (name == ["bias"] && config.bias == .all)
      {
        ignored.append(IgnoredTensor(tensor: index, reason: "PEFT saves \(target) a second time under this name"))
      } else {
        try replace(target, with: index, .savedModule)
        count += 1
      }
    }
    if count > 0 {
      warnings.append("\(path): \(count) of \(keys.count) keys hold \"modules_to_save.\", which PEFT takes out")
    }
  }

  /// `original_module.NAME`: the base's own values of a module that was trained whole.
  private mutating func takeOriginals() throws(AdapterError) {
    for (index, key) in keys.enumerated() {
      guard case .original(let name) = key.role else { continue }
      let isUpdate = name.contains(where: dialect.isUpdate)
      // Of a module that was updated too: what the update wraps, and factors as they were before the training.
      let inner = isUpdate ? name.prefix { !dialect.isUpdate($0) } + ["weight"] : name[...]
      let target = ([key.module.string] + inner).joined(separator: ".")
      guard byTarget[TensorName(target)] != nil else { throw failure(.originalAlone(target), at: index) }
      ignored.append(
        IgnoredTensor(tensor: index, reason: "the base's own \(target), for which the adapter has a trained one"))
    }
  }

  // MARK: Token rows

  private mutating func takeTokenRows() throws(AdapterError) {
    let found = keys.indices.filter { keys[$0].role == .tokenRows }.sorted { keys[$0].module < keys[$1].module }
    switch config.trainableTokenIndices {
    case nil:
      if let index = found.first { throw failure(.tokensNotDeclared, at: index) }
    case .inputEmbedding(let indices):
      guard let index = found.first else { throw AdapterError(path: path, .missingTokenRows("the input embedding")) }
      if found.count > 1 { throw failure(.tokensOfSeveral(other: keys[index].module.string), at: found[1]) }
      try addRows(index, indices)
    case .everyModule(let indices):
      if found.isEmpty { throw AdapterError(path: path, .missingTokenRows("an embedding")) }
      for index in found { try addRows(index, indices) }
    case .modules(let entries): try takeTokenRows(found, entries)
    }
  }

  private mutating func takeTokenRows(
    _ found: [Int], _ entries: [(name: String, indices: [Int])]
  ) throws(AdapterError) {
    var isUsed = entries.map { _ in false }
    for index in found {
      let module = keys[index].module.string
      let matching = entries.indices.filter { module.isPath(endingWith: entries[$0].name) }
      guard let entry = matching.first else { throw failure(.tokensNotDeclared, at: index) }
      if matching.count > 1 {
        throw failure(.tokensNamedTwice(entries[entry].name, entries[matching[1]].name), at: index)
      }
      isUsed[entry] = true
      try addRows(index, entries[entry].indices)
    }
    for (entry, isUsed) in zip(entries, isUsed) where !isUsed {
      // PEFT saves the rows of tied layers once.
      guard tokenRows.contains(where: { $0.indices == entry.indices }) else {
        throw AdapterError(path: path, .missingTokenRows("\"\(entry.name)\""))
      }
      warnings.append(
        "\(configPath): trainable_token_indices names \"\(entry.name)\", whose rows are not in the adapter; they are "
          + "those of a tied layer with the same tokens")
    }
  }

  private mutating func addRows(_ index: Int, _ indices: [Int]) throws(AdapterError) {
    let tensor = table[index]
    try FactorShapes.checkDType(tensor, path: path)
    guard tensor.shape.count == 2, tensor.shape[0] == indices.count else {
      throw failure(.shape(expected: "(\(indices.count), dimension)", found: tensor.shape), at: index)
    }
    tokenRows.append(AdapterTokenRows(module: keys[index].module.string, tensor: index, indices: indices))
  }

  // MARK: What the config announces

  private mutating func checkSavedModules() throws(AdapterError) {
    // A module that was updated too is there as the weight inside of the update.
    let missing = config.savedModules.filter { entry in
      !replacements.contains { $0.target.isTensor(ofModuleEndingWith: entry) }
    }
    if !missing.isEmpty, missing.count == config.savedModules.count {
      throw AdapterError(path: path, .missingSavedModules(missing))
    }
    // PEFT adds all names of heads for some tasks, of which a model has one.
    for entry in missing where !["classifier", "score", "qa_outputs"].contains(entry) {
      warnings.append("\(configPath): modules_to_save names \"\(entry)\", but no tensor of it is in the adapter")
    }
    let unannounced = replacements.filter { whole in
      whole.kind == .savedModule
        && !EmbeddingNames.isEmbedding(whole.target) && !EmbeddingNames.isHead(whole.target)
        && !config.savedModules.contains(where: whole.target.isTensor(ofModuleEndingWith:))
        && config.tuner?.field(replacing: whole.target) == nil
    }
    if let first = unannounced.first {
      warnings.append(
        "\(path): \(unannounced.count) whole tensors that no field of the config announces, such as "
          + "\(table.name(at: first.tensor))")
    }
  }

  private mutating func checkBiases() {
    if config.bias == .none || replacements.contains(where: { $0.kind == .bias }) { return }
    warnings.append(
      "\(configPath): \"bias\" is \"\(config.bias.rawValue)\", but no trained bias is in the adapter: the model has "
        + "none, or they were lost when it was saved")
  }
}

extension String {
  /// Whether a module around this tensor has a path that ends with `suffix`, on a dot or not: how PEFT reads
  /// `modules_to_save` (`_set_trainable`).
  package func isTensor(ofModuleEndingWith suffix: String) -> Bool {
    let (name, end) = (Array(utf8), Array(suffix.utf8))
    return name.indices.contains { index in
      name[index] == UInt8(ascii: ".") && index >= end.count && name[(index - end.count)..<index].elementsEqual(end)
    }
  }
}
