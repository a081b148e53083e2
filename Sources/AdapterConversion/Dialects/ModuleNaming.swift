import ImageModels

/// What a dialect calls the modules of each component of an image model.
package struct ModuleNaming {
  package let dialect: AdapterDialect
  package let model: ImageModel

  /// Makes the names of a dialect for the modules of a model.
  package init(dialect: AdapterDialect, model: ImageModel) { (self.dialect, self.model) = (dialect, model) }

  /// The names that a component's modules get.
  ///
  /// Kohya's trainer names SD1 and SD2 by diffusers, and all others by their published code.
  package func scheme(of component: Int) -> Component.Scheme {
    guard !model.components[component].kind.isTextEncoder else { return .diffusers }
    switch dialect {
    case .peft, .mlx, .diffusers: return .diffusers
    case .kohya: return isNamedByDiffusers ? .diffusers : .native
    case .comfyUI: return model.hasNames(of: component, in: .comfyUI) ? .comfyUI : .native
    }
  }

  private var isNamedByDiffusers: Bool { ["SD1", "SD2", "SD2 unCLIP"].contains(model.architecture) }

  /// Whether the diffusion model is a UNet, by what diffusers calls its blocks.
  private func isUNet(_ component: Int) -> Bool {
    model.modules(of: component, in: .diffusers).contains { $0.name.hasPrefix("down_blocks.") }
  }

  /// What a component is called before the dot in diffusers, such as `unet` or `text_encoder_2`.
  func part(_ component: Int) -> String {
    let found = model.components[component]
    if let folder = found.folder { return folder }
    guard let number = model.encoderNumber(of: component) else { return isUNet(component) ? "unet" : "transformer" }
    return number == 1 ? "text_encoder" : "text_encoder_\(number)"
  }

  /// What the names of a component's modules begin with.
  func beginning(_ component: Int) -> String {
    let found = model.components[component]
    switch dialect {
    case .peft, .mlx: return ""
    case .diffusers: return part(component) + "."
    case .comfyUI:
      guard found.kind.isTextEncoder else { return "diffusion_model." }
      let name = found.kind.shortNames.last ?? part(component)
      return "text_encoders.\(name).transformer."
    case .kohya:
      guard let number = model.encoderNumber(of: component) else { return "lora_unet_" }
      if found.kind == .t5 { return "lora_te3_" }
      let encoders = model.components.count { $0.kind.isTextEncoder }
      return number == 1 && encoders == 1 ? "lora_te_" : "lora_te\(number)_"
    }
  }

  /// A module's whole name.
  package func name(_ component: Int, _ module: String) -> String {
    let own = dialect == .kohya ? String(module.map { $0 == "." ? "_" : $0 }) : module
    return beginning(component) + own
  }
}
