/// Which text encoder a component is, by the beginning and the form of its names.
enum TextEncoders {
  typealias Tensor = FoundComponent.Tensor

  /// The beginning of a text encoder's names in a single file; nil: the name is not of a text encoder.
  static func prefix(of name: String) -> String? {
    let beginnings = ["cond_stage_model.", "conditioner.embedders.", "text_encoders."]
    guard let beginning = beginnings.first(where: name.hasPrefix) else { return nil }
    var segments = name.dropFirst(beginning.count).split(separator: ".", maxSplits: 2)
    var prefix = beginning
    // The number of the embedder, or the encoder's name.
    if beginning != "cond_stage_model." {
      guard segments.count >= 2 else { return beginning }
      prefix += "\(segments.removeFirst())."
    }
    if let model = segments.first, model == "transformer" || model == "model", segments.count >= 2 {
      // A language model of ComfyUI begins with `model.` itself.
      if beginning != "text_encoders." || model == "transformer" { prefix += "\(model)." }
    }
    return prefix
  }

  /// The text encoder of a single file under a beginning; nil: it is not known.
  static func kind(prefix: String, _ tensors: [Tensor]) -> Component.Kind? {
    let form = Form(tensors)
    if prefix == "cond_stage_model.transformer." { return form == .clip ? .clipL : nil }
    if prefix == "cond_stage_model.model." { return form == .openCLIP ? .clipH : nil }
    if prefix.hasPrefix("conditioner.embedders.") {
      return form == .clip ? .clipL : form == .openCLIP ? .clipG : nil
    }
    guard prefix.hasPrefix("text_encoders.") else { return nil }
    let name = String(prefix.split(separator: ".").dropFirst().first ?? "")
    switch (name, form) {
    case ("clip_l", .clip): return .clipL
    case ("clip_h", .clip), ("clip_h", .openCLIP): return .clipH
    case ("clip_g", .clip), ("clip_g", .openCLIP): return .clipG
    case (_, .t5) where !name.hasPrefix("byt5"): return .t5
    default: return .other(name)
    }
  }

  /// The text encoder in a folder of a diffusers model.
  static func kind(
    folder: String, _ tensors: [Tensor], hasCLIP: Bool, of architecture: String?
  ) -> Component.Kind? {
    switch Form(tensors) {
    case .clip, .openCLIP:
      if architecture?.hasPrefix("SD2") == true { return .clipH }
      // SDXL and SD3 have CLIP-G second. HunyuanVideo has CLIP-L behind a language model.
      if architecture == "SDXL refiner" || (folder != "text_encoder" && hasCLIP) { return .clipG }
      return .clipL
    case .t5: return .t5
    case nil: return .other(folder)
    }
  }

  /// The text encoder that a file has without a beginning; nil: the file has no text encoder. CLIP's versions differ in their widths.
  static func kind(alone tensors: [Tensor]) -> Component.Kind? {
    switch Form(tensors) {
    case .clip, .openCLIP:
      let norm = tensors.first { $0.own.hasSuffix("final_layer_norm.weight") || $0.own == "ln_final.weight" }
      return norm?.shape == [1280] ? .clipG : norm?.shape == [1024] ? .clipH : .clipL
    case .t5: return .t5
    case nil: return nil
    }
  }

  /// The names of a CLIP of transformers with the beginning `text_model.`, which versions from 5.6 leave out.
  static func withTextModel(_ tensors: [Tensor]) -> [Tensor] {
    tensors.map { tensor in
      let isBelow = ["embeddings.", "encoder.", "final_layer_norm."].contains(where: tensor.own.hasPrefix)
      return isBelow ? (tensor.disk, "text_model." + tensor.own, tensor.shape) : tensor
    }
  }

  /// How the names of a text encoder are made.
  private enum Form {
    case clip, openCLIP, t5

    init?(_ tensors: [Tensor]) {
      func has(_ name: String) -> Bool { tensors.contains { $0.own == name } }
      if has("transformer.resblocks.0.attn.in_proj_weight") {
        self = .openCLIP
      } else if has("text_model.encoder.layers.0.self_attn.q_proj.weight")
        || (has("encoder.layers.0.self_attn.q_proj.weight") && has("embeddings.token_embedding.weight"))
      {
        if tensors.contains(where: { $0.own.hasPrefix("vision_model.") }) { return nil }
        self = .clip
      } else if has("encoder.block.0.layer.0.SelfAttention.q.weight"),
        !tensors.contains(where: { $0.own.hasPrefix("decoder.") })
      {
        self = .t5
      } else {
        return nil
      }
    }
  }
}
