import Checkpoints
import JSONText

/// What ``ConversionTable`` has for one model: which lines apply to which of its names.
///
/// The table has two kinds of blocks. `family` and names of model types and classes, then a line for each conversion, in
/// the order in which they are done. `model`, a class, its base_model_prefix ("." for none), and for each model inside of it
/// `path:key:class:type`: where the module is, the key of config.json that configures it ("." for none of its own), and
/// what it is by default.
///
/// Source: transformers `conversion_mapping.py`, `get_model_conversion_mapping`.
struct ConversionRules {
  /// Conversions of one list, and for which names.
  struct Scoped {
    let family: String
    let conversion: NameConversion
    /// Names begin with one of these, which stay; nil: all names.
    let prefixes: [String]?
    /// A renaming that is done only if the base has the name that begins its group.
    let isActive: Bool
  }

  /// What a name on disk is in the runtime model.
  struct RuntimePlace {
    /// Several, where the tensor on disk holds more than one.
    let names: [String]
    /// How the tensor on disk is part of it; nil: it is the same tensor.
    let part: Part?
    /// The lines that were used, with the family of each; empty: the name is the same.
    let rule: String
  }

  struct Part: Equatable {
    let steps: [NameConversion.Step]
    /// Which of the conversion's sources it is, and of how many.
    let source: Int
    let sourceCount: Int
    /// The number of the expert.
    let number: Int?

    /// Whether heads are put into another order, in a tensor or in equal parts of one, and nothing else is done.
    var isRotated: Bool {
      guard case .rope? = steps.last else { return false }
      return steps.count == 1 || (steps.count == 2 && steps[0] == .chunk(0))
    }
  }

  /// No model has longer names, and patterns may take the square of a length.
  static let longestName = 1024

  /// base_model_prefix with its dot; nil: none is known.
  let modelPrefix: String?
  private let renamings: [Scoped]
  private let conversions: [Scoped]

  /// The rules for a model.
  ///
  /// - Parameter names: The names on disk.
  init(config: JSONValue?, names: some Collection<String>) {
    let table = Table.shared
    let (lists, prefix) = Self.lists(config, names: names, table)
    modelPrefix = prefix
    var renamings: [Scoped] = []
    var conversions: [Scoped] = []
    for (family, prefixes) in lists {
      for line in table.families[family] ?? [] {
        // A line that Swift cannot read does nothing: its names are not found, and so refused.
        guard let conversion = try? NameConversion(line) else { continue }
        let isActive = !conversion.isGroup || names.contains(where: conversion.isGuard)
        let scoped = Scoped(family: family, conversion: conversion, prefixes: prefixes, isActive: isActive)
        if conversion.steps.isEmpty { renamings.append(scoped) } else { conversions.append(scoped) }
      }
    }
    self.renamings = renamings
    self.conversions = conversions
  }

  /// What a name on disk is in the runtime model: every renaming in its order, then at most one conversion.
  func runtimePlace(of name: String) -> RuntimePlace {
    guard name.utf8.count <= Self.longestName else { return RuntimePlace(names: [name], part: nil, rule: "") }
    var current = name
    var rules: [String] = []
    func outcome(_ scoped: Scoped) -> NameConversion.Outcome? {
      guard scoped.isActive else { return nil }
      guard let prefixes = scoped.prefixes else { return scoped.conversion(current) }
      guard let prefix = prefixes.first(where: current.hasPrefix) else { return nil }
      guard let outcome = scoped.conversion(String(current.dropFirst(prefix.count))) else { return nil }
      return NameConversion.Outcome(
        names: outcome.names.map { prefix + $0 }, source: outcome.source, number: outcome.number)
    }
    for scoped in renamings {
      guard let outcome = outcome(scoped), outcome.names[0] != current else { continue }
      current = outcome.names[0]
      rules.append("\(scoped.family): \(scoped.conversion.text)")
    }
    for scoped in conversions {
      guard let outcome = outcome(scoped) else { continue }
      rules.append("\(scoped.family): \(scoped.conversion.text)")
      let part = Part(
        steps: scoped.conversion.steps, source: outcome.source, sourceCount: scoped.conversion.sourceCount,
        number: outcome.number)
      return RuntimePlace(names: outcome.names, part: part, rule: rules.joined(separator: "; "))
    }
    return RuntimePlace(names: [current], part: nil, rule: rules.joined(separator: "; "))
  }

  // MARK: - Which lists

  /// Lists of the table with the prefixes of the names that each is for; nil: all names.
  private static func lists(
    _ config: JSONValue?, names: some Collection<String>, _ table: Table
  ) -> (lists: [(family: String, prefixes: [String]?)], prefix: String?) {
    let type = ModelConfig.family(config)
    var architecture: String?
    if case .array(let architectures)? = config?["architectures"], case .string(let name)? = architectures.first {
      architecture = name
    }
    var lists: [(family: String, prefixes: [String]?)] = []
    /// Lists that a module has, so that those inside of it need not bring them again.
    var seen: [(name: String, path: String)] = []
    func isSeen(_ name: String, _ path: String) -> Bool {
      seen.contains { $0.name == name && ($0.path.isEmpty || path.hasPrefix($0.path + ".")) }
    }
    func add(_ class: String?, _ type: String?, path: String, prefixes: [String]?) {
      if let `class` {
        if isSeen(`class`, path) { return }
        if table.families[`class`] != nil {
          lists.append((`class`, prefixes))
          seen.append((`class`, path))
          return
        }
      }
      guard let type, !isSeen(type, path), table.families[type] != nil else { return }
      lists.append((type, prefixes))
      seen += [(type, path)] + (`class`.map { [($0, path)] } ?? [])
    }
    add(architecture, type, path: "", prefixes: nil)
    let model = architecture.flatMap { table.models[$0] }
    for part in model?.parts ?? [] {
      var isDefault = true
      var partType: String? = part.type
      if let key = part.key {
        var value = config
        for name in key.split(separator: ".") { value = value?[String(name)] }
        if let found = ModelConfig.family(value), found != part.type {
          isDefault = false
          partType = found
        }
      }
      let prefix = model?.prefix ?? ""
      var scope = part.path
      if scope.hasPrefix(prefix) { scope = String(scope.dropFirst(prefix.count)) }
      if scope.hasPrefix(".") { scope = String(scope.dropFirst()) }
      let inner = scope.isEmpty ? "" : scope + "."
      let prefixes = prefix.isEmpty ? [inner] : [prefix + "." + inner, inner]
      add(isDefault ? part.class : nil, partType, path: part.path, prefixes: prefixes)
    }
    if lists.isEmpty, let family = Self.family(of: names) { lists.append((family, nil)) }
    lists.append(("legacy", nil))
    return (lists, model.map { $0.prefix.isEmpty ? "" : $0.prefix + "." })
  }

  /// The list for a base whose config.json does not say its family, by names that only it has.
  private static func family(of names: some Collection<String>) -> String? {
    if names.contains(where: { $0.hasSuffix(".block_sparse_moe.experts.0.w1.weight") }) { return "mixtral" }
    if names.contains(where: { $0.hasSuffix(".mlp.experts.0.gate_proj.weight") }) { return "qwen2_moe" }
    return nil
  }

  /// ``ConversionTable``, cut into its blocks.
  private struct Table: Sendable {
    struct Model: Sendable {
      let prefix: String
      let parts: [(path: String, key: String?, class: String, type: String)]
    }

    private(set) var families: [String: [String]] = [:]
    private(set) var models: [String: Model] = [:]

    static let shared = Table(ConversionTable.text)

    private init(_ text: String) {
      var names: [String] = []
      var lines: [String] = []
      func entries() -> [(String, [String])] { names.map { ($0, lines) } }
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        switch words.first {
        case "family":
          for (name, lines) in entries() { families[name] = lines }
          names = words.dropFirst().map(String.init)
          lines = []
        case "model":
          let parts = words.dropFirst(3).compactMap { word -> (String, String?, String, String)? in
            let fields = word.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 4 else { return nil }
            return (fields[0], fields[1] == "." ? nil : fields[1], fields[2], fields[3])
          }
          models[String(words[1])] = Model(prefix: words[2] == "." ? "" : String(words[2]), parts: parts)
        default: lines.append(String(line))
        }
      }
      for (name, lines) in entries() { families[name] = lines }
    }
  }
}
