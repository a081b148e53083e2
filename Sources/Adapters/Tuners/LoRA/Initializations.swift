import JSONText

/// The values of `init_lora_weights`, and which base the adapter fits.
///
/// Source: PEFT 0.21.2 `LoraLayer.update_layer`, whose comparisons these are.
enum Initializations {
  static let conversion =
    "let PEFT convert it: save_pretrained(..., path_initial_model_for_weight_conversion=...) writes an adapter for the "
    + "original base"

  /// The boolean that a config has in quotes, as programs without JSON's types write it; nil: `name` is another name.
  static func spelledBoolean(_ name: String) -> Bool? { ["true": true, "false": false][name.lowercased()] }

  /// The values after which the base is what it was.
  private static let plain: [JSONValue] =
    [.null, .bool(true), .bool(false)] + ["gaussian", "orthogonal", "eva", "mica"].map(JSONValue.string)

  /// Why `value` cannot be merged, and the way out; nil if it does not change the base, or as ``Decomposition`` says.
  static func refusal(of value: JSONValue) -> ConfigField.Refusal? {
    if plain.contains(value) || Decomposition(initialization: value) != nil { return nil }
    if case .string(let name) = value {
      if spelledBoolean(name) != nil { return nil }
      if let refusal = refusal(ofName: name) { return refusal }
    }
    return (
      "an initialization that this program does not know and that may have changed the base weights; known are true, "
        + "false, \"gaussian\", \"orthogonal\", \"eva\", \"mica\", \"pissa\" and \"olora\"", conversion
    )
  }

  private static func refusal(ofName name: String) -> ConfigField.Refusal? {
    let decomposition = "or save the base as training changed it and merge there, with \"init_lora_weights\": true"
    func relative(_ method: String, _ part: String) -> ConfigField.Refusal {
      (
        "\(method) took \(part) out of the base weights before training, and the adapter only fits what was left",
        "\(conversion), \(decomposition)"
      )
    }
    switch name {
    case _ where name.utf8.starts(with: "pissa_niter_".utf8):
      return (
        "PiSSA took the largest singular values out of the base weights, by a random method that cannot be repeated",
        "\(conversion), \(decomposition)"
      )
    case _ where name.utf8.starts(with: "corda".utf8):
      return relative("CorDA", "a part chosen by the training data")
    case "lora_ga": return relative("LoRA-GA", "a part chosen by gradients")
    case "loftq":
      return (
        "LoftQ made the adapter for a quantized base, whose errors it corrects",
        "merge into the base that LoftQ wrote, with \"init_lora_weights\": true in the adapter's config"
      )
    default: return nil
    }
  }
}
