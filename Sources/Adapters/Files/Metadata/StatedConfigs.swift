import JSONText
import Platform
import Safetensors

/// `lora_adapter_metadata` of a file: the PEFT configs of its components, as diffusers saves them.
///
/// A pipeline's has every field with the component before it, such as `unet.r`; a model's has the fields alone. Patterns are
/// matched with the path below the component.
///
/// Source: diffusers 0.42.1 `_pack_dict_with_prefix`, `_load_sft_state_dict_metadata`, `_create_lora_config`.
struct StatedConfigs {
  static let key = "lora_adapter_metadata"

  private struct Component {
    /// With the dot; empty: there is one config for all.
    let prefix: String
    let lora: LoRA
    var lookup: RankLookup
  }

  private var components: [Component] = []
  private let path: String

  /// The strength of one module, and what scales its update.
  struct Strength {
    let strength: ModuleStrength
    let scaling: Double
    let lora: LoRA
    /// The field that states the rank, as the metadata has it.
    let rankField: String
  }

  /// - Parameter path: The file, for errors.
  /// - Throws: A text that is not an object of fields, an unknown field, or one that is not supported.
  init?(_ header: SafetensorsHeader, path: String) throws(AdapterError) {
    guard let text = header.metadata?.first(where: { $0.key == Self.key })?.value else { return nil }
    self.path = path
    let bytes = Array(text.utf8)
    guard bytes.count <= AdapterFolder.configByteLimit else {
      let limit = NumberText.bytes(AdapterFolder.configByteLimit)
      throw AdapterError(path: path, .metadata("it has \(NumberText.bytes(bytes.count)); at most \(limit) are allowed"))
    }
    let json: JSONValue
    do throws(JSONError) { json = try JSONParser.parse(bytes.span) } catch {
      throw AdapterError(path: path, .metadata("it is not valid JSON: \(error)"))
    }
    guard case .object(let members) = json else {
      throw AdapterError(path: path, .metadata("it is \(json.kindName), and an object is expected"))
    }
    if members.isEmpty { return nil }
    for (prefix, fields) in try Self.components(members, path: path) {
      components.append(try Self.component(prefix, fields, path: path))
    }
    // Of two components the longer name is looked for first.
    components.sort { $0.prefix.utf8.count > $1.prefix.utf8.count }
  }

  private static func components(
    _ members: [JSONMember], path: String
  ) throws(AdapterError) -> [(prefix: String, fields: [JSONMember])] {
    var found: [(prefix: String, fields: [JSONMember])] = []
    for member in members {
      let bytes = member.key.utf8
      let dot = bytes.firstIndex(of: UInt8(ascii: "."))
      let prefix = dot.map { String(Substring(bytes[...$0])) } ?? ""
      let field = JSONMember(
        key: dot.map { String(Substring(bytes[bytes.index(after: $0)...])) } ?? member.key, value: member.value)
      if let place = found.firstIndex(where: { $0.prefix == prefix }) {
        found[place].fields.append(field)
      } else {
        found.append((prefix, [field]))
      }
    }
    if found.count > 1, found.contains(where: { $0.prefix.isEmpty }) {
      throw AdapterError(path: path, .metadata("some fields have a component before them, and some have none"))
    }
    return found
  }

  private static func component(
    _ prefix: String, _ fields: [JSONMember], path: String
  ) throws(AdapterError) -> Component {
    let config: AdapterConfig
    do throws(AdapterError) { config = try AdapterConfig(.object(fields), path: path) } catch {
      throw error.inMetadata(prefix: prefix)
    }
    guard let lora = config.lora else {
      throw AdapterError(path: path, .metadata("\"\(prefix)peft_type\" is that of \(config.methodName), not of LoRA"))
    }
    func refuse(_ isSet: Bool, _ field: String) throws(AdapterError) {
      if isSet {
        throw AdapterError(path: path, .metadata("\"\(prefix)\(field)\" is set, which is not supported in a file"))
      }
    }
    try refuse(lora.decomposition != nil, lora.decomposition?.field ?? "")
    try refuse(lora.blockDiagonal != nil, "use_bdlora")
    try refuse(config.layerReplication != nil, "layer_replication")
    try refuse(!config.targetParameters.isEmpty, "target_parameters")
    try refuse(config.trainableTokenIndices != nil, "trainable_token_indices")
    return Component(prefix: prefix, lora: lora, lookup: RankLookup(lora.ranks, configPath: path))
  }

  /// What the config of a module's component says of the module; nil: the component has no config.
  mutating func strength(of module: String) throws(AdapterError) -> Strength? {
    guard let place = components.firstIndex(where: { module.utf8.starts(with: $0.prefix.utf8) }) else { return nil }
    var below = Substring(module.utf8.dropFirst(components[place].prefix.utf8.count))
    if below.utf8.starts(with: AdapterKey.prefix.utf8) {
      below = Substring(below.utf8.dropFirst(AdapterKey.prefix.utf8.count))
    }
    let prefix = components[place].prefix
    let strength: ModuleStrength
    do throws(AdapterError) { strength = try components[place].lookup.strength(of: String(below)) } catch {
      throw error.inMetadata(prefix: prefix)
    }
    let lora = components[place].lora
    return Strength(
      strength: strength, scaling: lora.scaling(rank: strength.rank, alpha: strength.alpha), lora: lora,
      rankField: prefix + "r")
  }

  /// Patterns that decided no module, their fields with the component.
  var unusedPatterns: [UnusedPattern] {
    components.flatMap { component in
      component.lookup.unusedPatterns.map { UnusedPattern(field: component.prefix + $0.field, key: $0.key) }
    }
  }
}
