/// What texts call the names in an adapter's file.
enum DialectName {
  /// Beginnings of modules' names, and whose they are; the first that fits counts.
  private static let beginnings: [(text: String, name: String)] = [
    ("lora_transformer_", "OneTrainer"), ("lycoris_", "LyCORIS"), ("lora_unet__", "VideoX-Fun"),
    ("lora_prior_", "kohya"),
    ("lora_unet_", "kohya"), ("lora_te", "kohya"), ("oft_unet_", "kohya"), ("unet.base_model.model.", "PEFT raw"),
    ("base_model.model.", "PEFT raw"), ("diffusion_model.", "ComfyUI native"),
    ("model.diffusion_model.", "ComfyUI native"), ("text_encoders.", "ComfyUI native"), ("transformer.", "diffusers"),
    ("transformer_2.", "diffusers"), ("unet.", "diffusers"), ("prior.", "diffusers"), ("text_encoder", "diffusers"),
  ]

  /// - Parameters:
  ///   - module: One of the modules, as the file names it.
  ///   - spelling: How the factors of LoRA are spelled.
  static func of(_ module: String, spelling: FileSpelling?) -> String {
    switch spelling {
    case .diffSynth: return "DiffSynth-Studio"
    case .bare: return "Mochi"
    case .kohya, .peft, .diffusersUNet, .diffusersText, .processor, nil: break
    }
    let found = beginnings.first { module.utf8.starts(with: $0.text.utf8) }
    return found?.name ?? "bare names"
  }
}
