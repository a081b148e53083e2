/// The part of a model that a module of an adapter is in, by what its name begins with.
package struct AdapterPart: Hashable, Sendable {
  /// What a weight for the part may call it, such as `unet`, `transformer`, `te1` or `text_encoder_2`; `model`: the name only says
  /// that it is the diffusion model.
  package let name: String
  /// Whether it is a text encoder; otherwise it is the diffusion model.
  package let isTextEncoder: Bool

  /// Beginnings of names, those before that are longer than others which they begin with.
  private static let beginnings: [(text: String, part: AdapterPart)] =
    [
      ("lora_prior_unet_", "unet"), ("lora_unet__", "unet"), ("lora_unet_", "unet"), ("oft_unet_", "unet"),
      ("lora_transformer_", "transformer"), ("lycoris_", "model"), ("unet.base_model.model.", "unet"),
      ("transformer.base_model.model.", "transformer"), ("diffusion_model.base_model.model.", "model"),
      ("base_model.model.", "model"), ("model.diffusion_model.", "model"), ("diffusion_model.", "model"),
      ("transformer.", "transformer"), ("transformer_2.", "transformer_2"), ("unet.", "unet"), ("prior.", "prior"),
    ].map { ($0.0, AdapterPart(name: $0.1, isTextEncoder: false)) }
    + [
      ("lora_te_", "te1"), ("lora_te1_", "te1"), ("lora_te2_", "te2"), ("lora_te3_", "te3"), ("lora_prior_te_", "te1"),
      ("text_encoder.base_model.model.", "text_encoder"), ("text_encoder.", "text_encoder"),
      ("text_encoder_2.base_model.model.", "text_encoder_2"), ("text_encoder_2.", "text_encoder_2"),
      ("text_encoder_3.base_model.model.", "text_encoder_3"), ("text_encoder_3.", "text_encoder_3"),
    ].map { ($0.0, AdapterPart(name: $0.1, isTextEncoder: true)) }

  /// What names in text encoders begin with.
  private static let encoderNames = [
    "text_model.encoder.", "text_model_encoder_", "text_model.embeddings.", "encoder.block.", "encoder_block_",
  ]

  /// The part of a module, and the module's name in it.
  static func find(_ module: String) -> (part: AdapterPart, own: String) {
    if module.hasPrefix("text_encoders.") {
      let segments = module.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
      if segments.count == 3 {
        var own = segments[2]
        if own.hasPrefix("transformer.") { own = own.dropFirst("transformer.".count) }
        return (AdapterPart(name: String(segments[1]), isTextEncoder: true), String(own))
      }
    }
    var part = AdapterPart(name: "model", isTextEncoder: false)
    var own = module
    if let found = beginnings.first(where: { module.hasPrefix($0.text) }) {
      (part, own) = (found.part, String(module.utf8.dropFirst(found.text.utf8.count)) ?? module)
    }
    // LyCORIS and bare names have one beginning for all parts.
    if part.name == "model", encoderNames.contains(where: own.hasPrefix) {
      part = AdapterPart(name: "te1", isTextEncoder: true)
    }
    return (part, own)
  }
}
