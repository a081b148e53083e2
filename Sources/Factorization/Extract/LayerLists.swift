import Checkpoints
import JSONText
import MergePlanning
import Safetensors

/// The numbered modules of two models, such as layers: an adapter can neither add nor remove one.
///
/// A module that only the tuned model has would be saved whole under a number that the base does not have, and one that only the base
/// has would stay in the merge.
struct LayerLists {
  private let base: [String: Set<Int>]
  private let tuned: [String: Set<Int>]
  /// Files of the base can have layers that the model in memory does not, such as those that predict several tokens.
  private let loadedCount: Int?

  init(_ change: ModelChange) {
    base = Self.lists(change.pairs.compactMap(\.base) + change.missing)
    tuned = Self.lists(change.pairs.map(\.tuned))
    loadedCount = Self.layerCount(change.base.model.config)
  }

  /// - Throws: ``FactorizationError`` with `layers` for the first parameter that is in a module that one model does not have.
  func check(_ change: ModelChange) throws(FactorizationError) {
    for pair in change.pairs where pair.base == nil {
      guard let list = difference(pair.tuned.name) else { continue }
      throw error(list, pair.tuned, path: change.tuned.model.files[pair.tuned.file].path)
    }
    for parameter in change.missing {
      guard let list = difference(parameter.name), !isUnloaded(parameter.name, list) else { continue }
      throw error(list, parameter, path: change.base.model.files[parameter.file].path)
    }
  }

  private func error(_ list: String, _ parameter: LiveParameter, path: String) -> FactorizationError {
    FactorizationError(
      path: path, tensor: parameter.tensor.name.string,
      .layers(list: list, base: base[list]?.count ?? 0, tuned: tuned[list]?.count ?? 0))
  }

  /// The outermost list of both models in which the parameter's module is an element of one of them only.
  private func difference(_ name: String) -> String? {
    Self.places(name).first { place in
      guard let before = base[place.list], let after = tuned[place.list] else { return false }
      return before.contains(place.number) != after.contains(place.number)
    }?.list
  }

  private func isUnloaded(_ name: String, _ list: String) -> Bool {
    guard let loadedCount, let outermost = Self.places(name).first, outermost.list == list,
      list.hasSuffix(".layers")
    else { return false }
    return outermost.number >= loadedCount
  }

  private static func layerCount(_ config: JSONValue?) -> Int? {
    for part in [config, config?["text_config"]] {
      if case .integer(let count)? = part?["num_hidden_layers"] { return Int(count) }
    }
    return nil
  }

  private static func lists(_ parameters: [LiveParameter]) -> [String: Set<Int>] {
    parameters.reduce(into: [:]) { lists, parameter in
      for place in places(parameter.name) { lists[place.list, default: []].insert(place.number) }
    }
  }

  /// The lists that a name goes through, the outermost first, with the number of the element.
  private static func places(_ name: String) -> [(list: String, number: Int)] {
    let components = name.split(separator: ".")
    return components.indices.compactMap { index in
      guard index > 0, let number = Int(components[index]) else { return nil }
      return (components[..<index].joined(separator: "."), number)
    }
  }
}
