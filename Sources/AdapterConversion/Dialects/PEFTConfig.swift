import Adapters
import JSONText

/// The fields of PEFT's config for modules with their own ranks and alphas, in PEFT 0.21.2's names.
struct PEFTConfig {
  /// The kind, such as `LORA`.
  let type: String
  /// What the config calls alpha.
  let alphaField: String
  /// The modules by their names in the model.
  let modules: [(name: String, strength: Strength)]
  let usesDora: Bool

  /// The rank and alpha of most modules; the others are in the patterns.
  private var common: Strength? {
    var counts: [(strength: Strength, count: Int)] = []
    for module in modules {
      if let place = counts.firstIndex(where: { $0.strength == module.strength }) {
        counts[place].count += 1
      } else {
        counts.append((module.strength, 1))
      }
    }
    // Of equally many the first, so that an adapter always gives the same config.
    return counts.max { $0.count < $1.count }.flatMap { most in counts.first { $0.count == most.count }?.strength }
  }

  /// The fields of the adapter, without those that say what it was trained on.
  var fields: [JSONMember] {
    guard let common else { return [] }
    func pattern(_ value: (Strength) -> JSONValue) -> JSONValue {
      .object(
        WrittenPatterns.entries(modules.map { ($0.name, value($0.strength)) }, common: value(common))
          .map { JSONMember(key: $0.key, value: $0.value) })
    }
    let alpha = { (strength: Strength) in Self.number(strength.alpha) }
    let rank = { (strength: Strength) in JSONValue.integer(Int64(strength.rank)) }
    var fields: [JSONMember] = [
      JSONMember(key: "peft_type", value: .string(type)),
      JSONMember(key: "r", value: rank(common)),
      JSONMember(key: alphaField, value: alpha(common)),
      JSONMember(key: "rank_pattern", value: pattern(rank)),
      JSONMember(key: "alpha_pattern", value: pattern(alpha)),
      JSONMember(key: "target_modules", value: .array(modules.map { .string($0.name) })),
    ]
    if type == "LORA" {
      fields += [
        JSONMember(key: "use_dora", value: .bool(usesDora)), JSONMember(key: "use_rslora", value: .bool(false)),
        JSONMember(key: "lora_bias", value: .bool(false)), JSONMember(key: "bias", value: .string("none")),
        JSONMember(key: "lora_dropout", value: .real(0)), JSONMember(key: "init_lora_weights", value: .bool(true)),
      ]
    }
    return fields
  }

  /// A whole number as an integer, as PEFT writes alphas.
  private static func number(_ value: Double) -> JSONValue {
    Int64(exactly: value).map { .integer($0) } ?? .real(value)
  }
}
