import ImageModels

/// The parts of an image model by the names that users give them where an adapter has a weight for each.
///
/// A folder of diffusers is a name of its part. Beside these the diffusion model is `unet`, `transformer` or `model`; all text
/// encoders are `te`, and each is one of `te1`, `te2` and `te3`, as the adapters of sd-scripts number them, or what ComfyUI calls it.
enum ModelPart {
  private static let diffusionModels: Set<String> = ["unet", "transformer", "model"]

  /// How narrow a name that means this component is, the narrowest 2; nil: it does not mean it.
  static func rank(of component: Component, named name: String) -> Int? {
    if component.folder == name { return 2 }
    if component.kind.isTextEncoder { return names(component.kind).contains(name) ? 1 : name == "te" ? 0 : nil }
    return diffusionModels.contains(name) ? 0 : nil
  }

  private static func names(_ kind: Component.Kind) -> [String] {
    switch kind {
    case .diffusionModel, .autoencoder: []
    case .clipL: ["te1", "clip_l"]
    case .clipH: ["te1", "clip_h"]
    case .clipG: ["te2", "clip_g"]
    case .t5: ["te3", "t5xxl"]
    case .other(let name): [name]
    }
  }

  /// What the user may call the parts of a model.
  static func names(of components: [Component]) -> [String] {
    var found: [String] = []
    for component in components {
      let own = component.folder ?? names(component.kind).first ?? "unet"
      if !found.contains(own) { found.append(own) }
    }
    return found
  }
}

extension AdapterWeight {
  /// The weight of modules in a component: that of the narrowest name that means it.
  func weight(in component: Component) -> Double {
    let ranked = parts.compactMap { part in ModelPart.rank(of: component, named: part.name).map { ($0, part.weight) } }
    return ranked.max { $0.0 < $1.0 }?.1 ?? whole
  }

  /// Whether a part of this name is the component.
  func names(_ component: Component) -> Bool {
    parts.contains { ModelPart.rank(of: component, named: $0.name) != nil }
  }
}
