import Checkpoints
import JSONText
import Safetensors

extension MergePlanner {
  /// The quantised weights that are written as numbers: those that an adapter changes, and those of the same modules, which
  /// are loaded in one way.
  var decodedWeights: Set<TensorName> {
    guard let method = quantised.method else { return [] }
    // GPTQ has no list of what is not quantised that all who load it know.
    if method == "gptq" {
      let isChanged = works.keys.contains { quantised.groups[$0] != nil }
      return isChanged ? Set(quantised.groups.keys) : []
    }
    let modules = Set(works.keys.compactMap { quantised.groups[$0]?.module })
    return Set(quantised.groups.values.lazy.filter { modules.contains($0.module) }.map(\.name))
  }

  /// What config.json must say of the weights that are numbers now.
  ///
  /// - Parameter decoded: ``decodedWeights``.
  func quantisationEdit(_ decoded: Set<TensorName>) -> ConfigEdit? {
    guard let method = quantised.method, !decoded.isEmpty else { return nil }
    guard decoded.count < quantised.groups.count else { return .unquantised }
    guard let path = ConfigFacts.quantizationPath(base.config), let config = base.config?[path] else { return nil }
    let key = skipList(of: method, config)
    let modules = Set(decoded.compactMap { quantised.groups[$0]?.module }).sorted {
      $0.utf8.lexicographicallyPrecedes($1.utf8)
    }
    var before: [String] = []
    if case .array(let entries)? = config[key] {
      before = entries.compactMap { entry in
        guard case .string(let name) = entry else { return nil }
        return name
      }
    } else if method != "compressed-tensors" {
      before = defaultSkips
    }
    let known = Set(before)
    return .notQuantised(path: path, key: key, modules: before + modules.filter { !known.contains($0) })
  }

  private func skipList(of method: String, _ config: JSONValue) -> String {
    func isArray(_ key: String) -> Bool { if case .array? = config[key] { true } else { false } }
    return switch method {
    case "bitsandbytes": "llm_int8_skip_modules"
    case "compressed-tensors": "ignore"
    // Another name for the list, which transformers reads where the usual one is not there.
    case "fp8" where isArray("ignored_layers") && !isArray("modules_to_not_convert"): "ignored_layers"
    default: "modules_to_not_convert"
    }
  }

  /// Without a list transformers leaves the head alone; with one it leaves what the list says: every matrix of the base that
  /// is no codes, and the head, which may be the embedding.
  private var defaultSkips: [String] {
    var modules: Set<String> = ["lm_head"]
    for name in vocabulary.groups.flatMap(\.names) where name.string.hasSuffix(".weight") {
      modules.insert(String(name.string.dropLast(".weight".count)))
    }
    for entry in virtualBase.files.joined() where entry.group == nil && entry.owner == nil {
      let name = entry.name.string
      if entry.info.shape.count == 2, name.hasSuffix(".weight") {
        modules.insert(String(name.dropLast(".weight".count)))
      }
    }
    return modules.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
