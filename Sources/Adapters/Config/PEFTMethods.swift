/// What PEFT's methods do that are not merged, for the error that refuses them: a line each, by their `peft_type`.
enum PEFTMethods {
  private struct Refusal {
    let types: [String]
    let reason: String
    let hint: String
  }

  private static let mergedByPEFT = "merge it with PEFT's merge_and_unload"
  private static let runWithPEFT = "run it with PEFT"

  private static let refusals = [
    Refusal(
      types: ["PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "CARTRIDGE"],
      reason: "it adds trained tokens to the input and changes no weight: nothing can be merged", hint: runWithPEFT),
    Refusal(
      types: ["ADAPTION_PROMPT"], reason: "it adds an attention of its own to the layers, which no weight can hold",
      hint: runWithPEFT),
    Refusal(
      types: ["XLORA", "POLY", "LILY"], reason: "it chooses between adapters at run time, which no weight can hold",
      hint: runWithPEFT),
    Refusal(
      types: ["SHADOW"], reason: "it runs a model of its own beside the base, which no weight can hold",
      hint: runWithPEFT),
    Refusal(
      types: ["ADAMSS", "FROD"],
      reason:
        "PEFT computes a part of it from the weights of all layers when it loads the adapter, which the file does not "
        + "hold", hint: mergedByPEFT),
    Refusal(
      types: ["PSOFT"],
      reason:
        "it rotates singular vectors of the base, whose signs the file does not hold: they differ between versions of "
        + "LAPACK, and in one version with the number of threads",
      hint: "merge it with PEFT's merge_and_unload where it was trained"),
  ]

  private static func refusal(_ type: String) -> Refusal? {
    refusals.first { $0.types.contains { $0.lowercased() == type.lowercased() } }
  }

  /// Why an adapter of this type is not merged; `type` is in quotes, as JSON has it.
  static func reason(_ type: String) -> String {
    refusal(unquoted(type))?.reason ?? "PEFT 0.21.2 has no such method; \(supported) are supported"
  }

  /// `LORA, LOHA and LOKR`.
  private static var supported: String {
    let types = Tuners.all.map { $0.peftType }
    return "\(types.dropLast().joined(separator: ", ")) and \(types.last ?? "")"
  }

  static func hint(_ type: String?) -> String? {
    guard let type else { return "an adapter of PEFT has \"peft_type\": \"LORA\" in \(AdapterFolder.configName)" }
    return refusal(unquoted(type))?.hint ?? "take the adapter as PEFT saved it, or correct \"peft_type\""
  }

  private static func unquoted(_ text: String) -> String {
    text.utf8.count > 1 && text.hasPrefix("\"") ? String(text.dropFirst().dropLast()) : text
  }
}
