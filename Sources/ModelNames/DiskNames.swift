import Adapters
import JSONText
import Safetensors

/// The names on disk of a runtime model's parameters: the way back of ``RuntimeNames``, for a few of them.
package struct DiskNames {
  private let names: Set<TensorName>
  private let prefix: String
  private let rules: ConversionRules
  /// Tensors outside of numbered layers by the runtime names that the table's conversions give them.
  private let converted: [TensorName: TensorName]

  /// The names of one model.
  ///
  /// - Parameter prefix: base_model_prefix with its dot, which files of the model without its head leave out.
  package init(config: JSONValue?, names: some Collection<TensorName>, prefix: String) {
    self.names = Set(names)
    self.prefix = prefix
    rules = ConversionRules(config: config, names: names.map(\.string))
    var converted: [TensorName: TensorName] = [:]
    for name in names where !EmbeddingNames.isBeside(name.string) {
      let place = rules.runtimePlace(of: name.string)
      if !place.rule.isEmpty, place.part == nil { converted[TensorName(place.names[0])] = name }
    }
    self.converted = converted
  }

  /// The tensor on disk that is a parameter: under its own name, as transformers renames it, with or without the model's
  /// prefix; nil: there is none.
  package func stored(_ parameter: String) -> TensorName? {
    if let found = exact(parameter) { return found }
    guard !prefix.isEmpty else { return nil }
    return exact(parameter.hasPrefix(prefix) ? String(parameter.dropFirst(prefix.count)) : prefix + parameter)
  }

  /// The only tensor on disk that is the parameter but for the beginning of its name, and none of `others`.
  package func similar(_ parameter: String, but others: [TensorName]) -> TensorName? {
    func sides(_ name: String) -> [Bool] { ["encoder", "decoder"].map { name.contains($0) } }
    let found = Set(PrefixAliases.variants(parameter, modelPrefix: prefix).compactMap { exact($0.name) })
      .filter { !others.contains($0) && (sides(parameter) == [false, false] || sides($0.string) == sides(parameter)) }
    return found.count == 1 ? found.first : nil
  }

  private func exact(_ parameter: String) -> TensorName? {
    let name = TensorName(parameter)
    return names.contains(name) ? name : converted[name]
  }

  /// The name under which a parameter that is not on disk is written, beside one of the same group that is.
  ///
  /// - Parameters:
  ///   - disk: The name on disk of the parameter that is there.
  ///   - runtime: The runtime name of that one.
  package func absent(_ parameter: String, beside disk: TensorName, runtime: String) -> TensorName {
    let disk = disk.string
    guard disk != runtime else { return TensorName(parameter) }
    var candidates: [String] = []
    if parameter.hasPrefix(prefix), prefix + disk == runtime {
      candidates.append(String(parameter.dropFirst(prefix.count)))
    }
    // Beginnings of the stored name, such as `language_model.` of `language_model.model.embed_tokens.weight`.
    let components = disk.split(separator: ".", omittingEmptySubsequences: false)
    for count in 1..<max(2, components.count) {
      candidates.append(components.prefix(count).joined(separator: ".") + "." + parameter)
    }
    let found = candidates.first {
      let place = rules.runtimePlace(of: $0)
      return place.part == nil && place.names == [parameter]
    }
    if let prefixed = candidates.first, parameter.hasPrefix(prefix), prefix + prefixed == parameter {
      return TensorName(prefixed)
    }
    return TensorName(found ?? parameter)
  }
}
