import JSONText
import Safetensors

/// What the parameters of a model on disk are called in the model in memory: the names by which PEFT finds modules.
///
/// A tensor that is only a part of a parameter in memory keeps its name on disk.
package struct LiveModuleNames {
  private let rules: ConversionRules
  /// Put before the names of a model whose file leaves its prefix out; empty: nothing is.
  private let prefix: String
  private let unprefixed: Set<String>

  /// The names of one model.
  ///
  /// - Parameters:
  ///   - config: config.json.
  ///   - names: All tensors on disk.
  ///   - prefix: base_model_prefix with its dot of a class that has a head, which files of the model without it leave out; empty
  ///     for other classes.
  ///   - heads: Parameters outside of the model with that prefix.
  package init(config: JSONValue?, names: some Collection<TensorName>, prefix: String, heads: Set<String>) {
    rules = ConversionRules(config: config, names: names.map(\.string))
    let rules = rules
    let hasPrefix = names.contains { Self.converted($0, rules).hasPrefix(prefix) }
    self.prefix = hasPrefix ? "" : prefix
    unprefixed = heads
  }

  private static func converted(_ tensor: TensorName, _ rules: ConversionRules) -> String {
    let place = rules.runtimePlace(of: tensor.string)
    guard !place.rule.isEmpty, place.part == nil, let name = place.names.first else { return tensor.string }
    return name
  }

  /// The parameter that a tensor on disk is.
  package func name(of tensor: TensorName) -> String {
    let name = Self.converted(tensor, rules)
    return unprefixed.contains(name) ? name : prefix + name
  }
}
