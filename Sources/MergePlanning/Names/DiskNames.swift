import Adapters
import JSONText
import Safetensors

/// The names on disk of a live model's parameters: the way back of ``RuntimeNames``, for a few of them.
struct DiskNames {
  private let names: Set<TensorName>
  private let prefix: String
  private let rules: ConversionRules
  /// Tensors outside of numbered layers by the live names that the table's conversions give them.
  private let converted: [TensorName: TensorName]

  /// - Parameter prefix: base_model_prefix with its dot, which files of the model without its head leave out.
  init(config: JSONValue?, names: some Collection<TensorName>, prefix: String) {
    self.names = Set(names)
    self.prefix = prefix
    rules = ConversionRules(config: config, names: names.map(\.string))
    var converted: [TensorName: TensorName] = [:]
    for name in names where !EmbeddingNames.isBeside(name.string) {
      let place = rules.live(name.string)
      if !place.rule.isEmpty, place.part == nil { converted[TensorName(place.names[0])] = name }
    }
    self.converted = converted
  }

  /// The tensor on disk that is a parameter: under its own name, as transformers renames it, with or without the model's
  /// prefix; nil: there is none.
  func stored(_ live: String) -> TensorName? {
    if let found = exact(live) { return found }
    guard !prefix.isEmpty else { return nil }
    return exact(live.hasPrefix(prefix) ? String(live.dropFirst(prefix.count)) : prefix + live)
  }

  /// The only tensor on disk that is the parameter but for the beginning of its name, and none of `others`.
  func similar(_ live: String, but others: [TensorName]) -> TensorName? {
    func sides(_ name: String) -> [Bool] { ["encoder", "decoder"].map { name.contains($0) } }
    let found = Set(PrefixAliases.variants(live, modelPrefix: prefix).compactMap { exact($0.name) })
      .filter { !others.contains($0) && (sides(live) == [false, false] || sides($0.string) == sides(live)) }
    return found.count == 1 ? found.first : nil
  }

  private func exact(_ live: String) -> TensorName? {
    let name = TensorName(live)
    return names.contains(name) ? name : converted[name]
  }

  /// The name under which a parameter that is not on disk is written, beside one of the same group that is.
  func absent(_ live: String, beside stored: VocabularyTensors.Member) -> TensorName {
    let disk = stored.name.string
    guard disk != stored.live else { return TensorName(live) }
    var candidates: [String] = []
    if live.hasPrefix(prefix), prefix + disk == stored.live { candidates.append(String(live.dropFirst(prefix.count))) }
    // Beginnings of the stored name, such as `language_model.` of `language_model.model.embed_tokens.weight`.
    let components = disk.split(separator: ".", omittingEmptySubsequences: false)
    for count in 1..<max(2, components.count) {
      candidates.append(components.prefix(count).joined(separator: ".") + "." + live)
    }
    let found = candidates.first { rules.live($0).part == nil && rules.live($0).names == [live] }
    if let prefixed = candidates.first, live.hasPrefix(prefix), prefix + prefixed == live {
      return TensorName(prefixed)
    }
    return TensorName(found ?? live)
  }
}
