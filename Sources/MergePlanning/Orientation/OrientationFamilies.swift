import JSONText

/// What is known of the code of a model by its `model_type`.
///
/// Source: transformers 5.24.0, of whose models these alone have a Conv1D, under these names
/// (`Fixtures/generator/linear_families.py` checks it).
struct OrientationFamilies {
  /// Every `model_type` of config.json, of the model and of its parts.
  private let types: Set<String>
  /// Whether config.json is of diffusers, whose models have no Conv1D.
  private let isDiffusers: Bool

  init(_ config: JSONValue?) {
    var types: Set<String> = []
    Self.collect(config, into: &types)
    self.types = types
    isDiffusers = config?["_diffusers_version"] != nil
  }

  private static let withConv1D: [String: Set<Substring>] = [
    "gpt2": ModulePlace.conv1DNames, "imagegpt": ModulePlace.conv1DNames,
    "decision_transformer": ModulePlace.conv1DNames, "openai-gpt": ["c_attn", "c_proj", "c_fc"],
    "clvp": ["c_proj", "c_fc"], "clvp_encoder": ["c_proj", "c_fc"], "clvp_decoder": ["c_proj", "c_fc"],
  ]

  /// Whether config.json says nothing, or there is none.
  var isUnknown: Bool { types.isEmpty && !isDiffusers }

  /// Whether nothing but the names of ``ModulePlace/conv1DNames`` can be a Conv1D.
  var isLinear: Bool { isDiffusers || (!types.isEmpty && types.isSubset(of: TransformersFamilies.all)) }

  /// How a module is stored by its name; nil: a part of the model is of an unknown family, or parts of two say otherwise.
  func orientation(of place: ModulePlace) -> WeightOrientation? {
    guard isLinear else { return nil }
    let holders = types.filter { Self.withConv1D[$0]?.contains(place.leaf) ?? false }
    if holders.isEmpty { return .plain }
    // A part that has the same names as Linear layers.
    return types.isDisjoint(with: ["gpt_bigcode", "gpt_neo", "starcoder2"]) ? .transposed : nil
  }

  private static func collect(_ config: JSONValue?, into types: inout Set<String>) {
    guard case .object(let members)? = config else { return }
    for member in members {
      switch member.value {
      case .string(let type) where member.key == "model_type": if !type.isEmpty { types.insert(type) }
      case .object: collect(member.value, into: &types)
      default: break
      }
    }
  }
}
