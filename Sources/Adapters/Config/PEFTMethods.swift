/// What PEFT's methods beside LoRA do, for the error that refuses them: a line each, by their `peft_type`.
enum PEFTMethods {
  private static let promptLike = "it adds trained tokens to the input and changes no weight: nothing can be merged"
  private static let runtime = "it chooses between adapters at run time and cannot be merged"

  private static let reasons: [(types: [String], reason: String)] = [
    (["PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "CARTRIDGE"], promptLike),
    (["ADAPTION_PROMPT"], "it adds an attention of its own to the layers, which no weight can hold"),
    (["XLORA", "POLY"], runtime),
  ]

  private static let mergedByPEFT = "merge it with PEFT's merge_and_unload"
  private static let runWithPEFT = "run it with PEFT"

  private static func entry(_ type: String) -> String? {
    reasons.first { $0.types.contains { $0.lowercased() == type.lowercased() } }?.reason
  }

  /// Why an adapter of this type is not merged; `type` is in quotes, as JSON has it.
  static func reason(_ type: String) -> String {
    entry(unquoted(type)) ?? "only \(supported) supported"
  }

  /// `"LORA" is`, or `"LORA" and "LOHA" are`.
  private static var supported: String {
    let types = Tuners.all.map { "\"\($0.peftType)\"" }
    guard types.count > 1, let last = types.last else { return "\(types.joined()) is" }
    return "\(types.dropLast().joined(separator: ", ")) and \(last) are"
  }

  static func hint(_ type: String?) -> String? {
    guard let type else { return "an adapter of PEFT has \"peft_type\": \"LORA\" in \(AdapterFolder.configName)" }
    return entry(unquoted(type)) == nil ? mergedByPEFT : runWithPEFT
  }

  private static func unquoted(_ text: String) -> String {
    text.utf8.count > 1 && text.hasPrefix("\"") ? String(text.dropFirst().dropLast()) : text
  }
}
