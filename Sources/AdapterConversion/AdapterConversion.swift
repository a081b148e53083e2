import Adapters
import ImageModels
import JSONText
import Safetensors

/// An adapter in another dialect: the tensors with where their bytes come from, and the texts beside them.
///
/// No factor is multiplied, rounded or scaled: bytes are copied, put in another order, or put together with zeros.
package struct AdapterConversion: Sendable {
  /// A module of the result.
  package struct Module: Sendable {
    /// Tells it from the others.
    package let name: String
    package let tensors: [ConvertedTensor]
    /// What multiplies the module's delta; nil: nothing does.
    package let scaling: Double?
  }

  package let dialect: AdapterDialect
  /// The modules of the result, in their order.
  package let modules: [Module]
  /// The text of adapter_config.json; nil: the dialect is one file.
  package let config: [UInt8]?
  /// `__metadata__` of the weights, in its order.
  package let metadata: [SafetensorsHeader.MetadataEntry]
  /// A line each.
  package let warnings: [String]

  /// Converts an adapter. Reads the data of factors only where rows of several modules become one, or the reverse.
  ///
  /// - Parameters:
  ///   - adapter: Of any dialect.
  ///   - dialect: The result's.
  ///   - base: The image model that the adapter was made for; nil: a folder for a language model becomes another one.
  /// - Throws: The first thing that the dialect cannot hold, by name.
  package init(_ adapter: Adapter, to dialect: AdapterDialect, base: ImageModel?) throws(ConversionError) {
    let path = adapter.weightsPath
    try Self.checkWhole(adapter, dialect)
    guard base != nil || !(dialect.isOfImages || adapter.isFile) else {
      throw ConversionError(path: path, .needsBase(dialect))
    }
    let converted: [ConvertedModule]
    if let base {
      converted = try ImageConversion(adapter, in: base, to: dialect).modules
    } else {
      converted = try Self.modules(adapter, dialect)
    }
    var modules: [Module] = []
    var count = 0
    func end(_ name: String, _ module: ConvertedModule, _ list: TensorList) {
      modules.append(Module(name: name, tensors: Array(list.tensors[count...]), scaling: module.scaling))
      count = list.tensors.count
    }
    let list = TensorList(table: adapter.header.tensors, path: path, dialect: dialect)
    switch dialect {
    case .peft:
      var folder = PEFTFolder(list)
      let parts = Set(converted.compactMap(\.component)).sorted()
      if let base, parts.count > 1 {
        let naming = ModuleNaming(dialect: .peft, model: base)
        throw ConversionError(path: path, .severalParts(parts.map(naming.part)))
      }
      for module in converted {
        try folder.add(module)
        end(module.name, module, folder.list)
      }
      config = folder.config(adapter.config)
      metadata = [SafetensorsHeader.MetadataEntry(key: "format", value: "pt")]
    case .mlx:
      var folder = MLXFolder(list)
      for module in converted {
        try folder.add(module)
        end(module.name, module, folder.list)
      }
      config = folder.config(adapter.config)
      metadata = [SafetensorsHeader.MetadataEntry(key: "format", value: "mlx")]
    case .diffusers, .kohya, .comfyUI:
      guard let base else { throw ConversionError(path: path, .needsBase(dialect)) }
      let naming = ModuleNaming(dialect: dialect, model: base)
      var file = FileDialect(naming, list)
      for module in converted {
        try file.add(module)
        end(naming.name(module.component ?? 0, module.name), module, file.list)
      }
      config = nil
      let kept = Self.keptMetadata(adapter)
      metadata = try dialect == .diffusers ? kept + Self.statedConfigs(converted, naming, path) : kept
    }
    self.dialect = dialect
    self.modules = modules
    warnings =
      adapter.ignoredTensors.isEmpty
      ? []
      : [
        "\(path): \(adapter.ignoredTensors.count) tensors that no merge needs are left out, such as "
          + adapter.header.tensors.name(at: adapter.ignoredTensors[0].tensor).string
      ]
  }

  /// Refuses what is no update of a module.
  private static func checkWhole(_ adapter: Adapter, _ dialect: AdapterDialect) throws(ConversionError) {
    if adapter.config.layerReplication != nil, dialect != .peft {
      throw ConversionError(
        path: adapter.configPath,
        .notHeld(what: "it replicates layers (\"layer_replication\")", dialect: dialect, holdsLoRA: false))
    }
    let whole = adapter.replacements.first?.tensor ?? adapter.tokenRows.first?.tensor
    guard let whole else { return }
    throw ConversionError(
      path: adapter.weightsPath,
      .notHeld(what: "it replaces weights of the base", dialect: dialect, holdsLoRA: dialect == .peft),
      module: adapter.header.tensors.name(at: whole).string)
  }

  /// The modules of a language model, which are called the same in all dialects.
  private static func modules(
    _ adapter: Adapter, _ dialect: AdapterDialect
  ) throws(ConversionError) -> [ConvertedModule] {
    let table = adapter.header.tensors
    let source = try FactorSource(adapter)
    return try adapter.updates.map { (update) throws(ConversionError) -> ConvertedModule in
      if let copied = CopiedTensors(update, table) {
        return ConvertedModule(
          component: nil, name: update.module, weightShape: nil, source: update.module, content: .copied(copied))
      }
      let module = try LowRankModule(update, table, adapter.weightsPath, dialect)
      let fusion = FactorFusion(
        modules: [module], table: table, source: source, path: adapter.weightsPath, dialect: dialect)
      return ConvertedModule(
        component: nil, name: update.module, weightShape: nil, source: update.module,
        content: .lowRank(try fusion.whole(0)))
    }
  }

  // MARK: Metadata

  /// The metadata of the adapter's file without what is no longer true.
  private static func keptMetadata(_ adapter: Adapter) -> [SafetensorsHeader.MetadataEntry] {
    guard adapter.isFile else { return [SafetensorsHeader.MetadataEntry(key: "format", value: "pt")] }
    return (adapter.header.metadata ?? []).filter { entry in
      entry.key != statedConfigsKey && !entry.key.hasPrefix("sshs_") && entry.key != "modelspec.hash_sha256"
    }
  }

  /// What diffusers 0.42.1 calls PEFT's configs in the metadata.
  private static let statedConfigsKey = "lora_adapter_metadata"

  /// The name that PEFT's config has for a module of a part.
  ///
  /// transformers 5.6 took `text_model` out of the paths of CLIP's modules. diffusers renames keys, and no names in a config; PEFT looks
  /// for a name at the end of a path, so that the rest is found with both.
  private static func nameInConfig(_ name: String) -> String {
    let prefix = "text_model."
    return name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name
  }

  /// PEFT's config of each part, as diffusers saves them.
  private static func statedConfigs(
    _ modules: [ConvertedModule], _ naming: ModuleNaming, _ path: String
  ) throws(ConversionError) -> [SafetensorsHeader.MetadataEntry] {
    var fields: [JSONMember] = []
    for component in Set(modules.compactMap(\.component)).sorted() {
      var own: [(name: String, strength: Strength)] = []
      var (dora, plain): (String?, String?) = (nil, nil)
      for module in modules where module.component == component {
        guard case .lowRank(let factors) = module.content else { continue }
        own.append((Self.nameInConfig(module.name), factors.strength))
        if factors.magnitudes == nil { plain = plain ?? module.source } else { dora = dora ?? module.source }
        if let dora, let plain {
          throw ConversionError(
            path: path,
            .differing(what: "method", first: dora, firstValue: "DoRA", value: "LoRA", dialect: .diffusers),
            module: plain)
        }
      }
      let config = PEFTConfig(type: "LORA", alphaField: "lora_alpha", modules: own, usesDora: dora != nil)
      fields += config.fields.map {
        JSONMember(key: "\(naming.part(component)).\($0.key)", value: $0.value)
      }
    }
    var writer = JSONWriter()
    writer.value(.object(fields))
    return [
      SafetensorsHeader.MetadataEntry(key: statedConfigsKey, value: String(decoding: writer.bytes, as: UTF8.self))
    ]
  }
}
