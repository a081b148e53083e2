import Adapters
import JSONText
import Safetensors

/// The parts of a base that the model did not have in which an adapter was trained: layers that predict further tokens
/// (MTP), which transformers does not load, and models next to the trained one, such as a talker.
///
/// A name in `modules_to_save` means modules of them too, but of a part that was not there nothing can be lost.
struct UntrainedParts {
  private let adapter: Adapter
  /// What the adapter changes, by the base's names.
  private let changed: Set<TensorName>
  /// The first components of the names of what the adapter changes, its own and the base's.
  private let parts: Set<Substring>
  /// Layers that predict further tokens, by the beginning of their tensors' names.
  private let predictors: Set<String>

  init(_ adapter: Adapter, changed: Set<TensorName>, base: [TensorName], config: JSONValue?) {
    self.adapter = adapter
    self.changed = changed
    parts = Set(
      changed.map { Self.part($0.string) } + adapter.replacements.map { Self.part($0.target) }
        + adapter.updates.map { Self.part($0.module) })
    predictors = Set(base.compactMap { Self.predictor($0.string) } + Self.predictors(base, config))
  }

  /// Whether a tensor of the base that the adapter lacks is in such a part: it has the module elsewhere, and changes nothing
  /// in this part.
  func hold(_ name: TensorName) -> Bool {
    guard adapter.savesElsewhere(name.string) else { return false }
    guard parts.contains(Self.part(name.string)) else { return true }
    return predictors.contains { beginning in
      name.string.utf8.starts(with: beginning.utf8)
        && !changed.contains { $0.string.utf8.starts(with: beginning.utf8) }
    }
  }

  static func part(_ name: String) -> Substring { name.prefix { $0 != "." } }

  /// What only a layer that predicts further tokens has.
  private static let marks: Set<Substring> = ["eh_proj", "enorm", "hnorm", "shared_head"]

  /// The beginning, with its last dot, that the names of such a layer have in common with this one; nil: it is in none.
  private static func predictor(_ name: String) -> String? {
    let components = name.split(separator: ".")
    if let place = components.firstIndex(where: { $0.lowercased().hasPrefix("mtp") }) {
      return components[...place].joined(separator: ".") + "."
    }
    guard let place = components.firstIndex(where: marks.contains), place > 0 else { return nil }
    return components[..<place].joined(separator: ".") + "."
  }

  /// Those that config.json counts behind the model's own layers.
  private static func predictors(_ base: [TensorName], _ config: JSONValue?) -> [String] {
    guard let section = [config, config?["text_config"]].first(where: { $0?["num_hidden_layers"] != nil }),
      case .integer(let own)? = section?["num_hidden_layers"],
      case .integer(let further)? = section?["num_nextn_predict_layers"], (1...64).contains(further),
      let layers = Int(exactly: own)
    else { return [] }
    let numbers = Set((layers..<layers + Int(further)).map { Substring(String($0)) })
    return base.compactMap { name in
      let components = name.string.split(separator: ".")
      guard let list = components.firstIndex(of: "layers"), list + 1 < components.count,
        numbers.contains(components[list + 1])
      else { return nil }
      return components[...(list + 1)].joined(separator: ".") + "."
    }
  }
}
