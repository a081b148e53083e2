/// What a module's name begins with in adapters, by the component that the module is in.
struct AdapterPrefixes: Sendable {
  /// Before names with dots.
  let dotted: [String]
  /// Before names with underscores in the place of dots.
  let flat: [String]

  /// The beginnings of one of a base's components.
  ///
  /// - Parameters:
  ///   - component: The component.
  ///   - all: All components of the base.
  ///   - order: The architecture's text encoders in diffusers' order.
  init(_ component: Component, among all: [Component], order: [Component.Kind]) {
    var dotted: [String] = []
    var flat: [String] = []
    switch component.kind {
    case .diffusionModel:
      dotted = [
        "", "diffusion_model.", "model.diffusion_model.", "transformer.", "unet.", "base_model.model.",
        "unet.base_model.model.", "transformer.base_model.model.", "diffusion_model.base_model.model.", "prior.",
      ]
      flat = [
        "lora_unet_", "lora_unet__", "lora_transformer_", "lycoris_", "oft_unet_", "lora_prior_unet_",
      ]
    case .clipL, .clipH:
      let name = component.kind == .clipL ? "clip_l" : "clip_h"
      dotted = ["text_encoders.\(name).transformer.", "text_encoders.\(name)."]
      flat = ["lycoris_", "lora_prior_te_"]
    case .clipG:
      dotted = ["text_encoders.clip_g.transformer.", "text_encoders.clip_g."]
      if !all.contains(where: { $0.kind == .clipL }) { flat = ["lora_te_", "lora_prior_te_"] }
    case .t5:
      dotted = ["text_encoders.t5xxl.transformer.", "text_encoders.t5xxl."]
      flat = ["lora_te3_"]
    case .autoencoder: break
    case .other(let name):
      dotted = ["text_encoders.\(name).transformer.", "text_encoders.\(name)."]
    }
    for slot in Self.slots(component, among: all, order: order) {
      let folder = slot == 1 ? "text_encoder." : "text_encoder_\(slot)."
      dotted += [folder, folder + "base_model.model."]
      if slot == 1 { flat.append("lora_te_") }
      flat.append("lora_te\(slot)_")
    }
    if let folder = component.folder { dotted.append(folder + ".") }
    if all.count == 1, component.kind.isTextEncoder { dotted.append("") }
    // A beginning that stands twice would only be tried twice.
    self.dotted = Set(dotted).sorted()
    self.flat = Set(flat).sorted()
  }

  /// The places that a text encoder may have among those that diffusers numbers.
  private static func slots(
    _ component: Component, among all: [Component], order: [Component.Kind]
  ) -> [Int] {
    guard component.kind.isTextEncoder else { return [] }
    if let folder = component.folder {
      return [folder == "text_encoder" ? 1 : Int(folder.dropFirst("text_encoder_".count)) ?? 1]
    }
    func isSame(_ kind: Component.Kind) -> Bool {
      if case .other = kind, case .other = component.kind { return true }
      return kind == component.kind
    }
    if let place = order.firstIndex(where: isSame) { return [place + 1] }
    switch component.kind {
    case .clipL, .clipH: return [1]
    case .clipG: return [2]
    case .t5:
      // No CLIP has the names of T5, so a place that may be a CLIP's leads to none of its modules.
      return all.contains { $0.kind == .clipG } ? [3] : [1, 2, 3]
    case .other, .diffusionModel, .autoencoder: return [1]
    }
  }
}
