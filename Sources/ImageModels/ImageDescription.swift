import ModelNames
import Safetensors

/// What an image or video model consists of, from the names of its tensors: for lists and plans, without an index of its modules.
package struct ImageDescription: Sendable, Equatable {
  /// What texts call it, such as `SDXL`; `unknown`: only its own names are known.
  package let architecture: String
  /// Whether the architecture's names are known in all spellings.
  package let isRecognized: Bool
  /// The diffusion models, then the text encoders.
  package let components: [Component]

  /// What is no target of an adapter, by what names begin with in single files.
  private static let others: [(beginning: String, name: String)] = [
    ("first_stage_model.", "vae"), ("vae.", "vae"), ("model_ema.", "ema"),
    ("control_model.", "control_model"),
  ]

  /// A base with these tensors; nil: it is no image or video model.
  ///
  /// - Parameters:
  ///   - names: Of all tensors: of a single file as they are, of a diffusers folder with the part's folder and a slash before them.
  ///   - tensors: Their shapes.
  package init?(names: some Sequence<TensorName>, in tensors: some NamedTensors) {
    let search = ComponentSearch(names: names, in: tensors)
    guard !search.found.isEmpty else { return nil }
    architecture = search.architecture ?? search.found[0].component.kind.name
    isRecognized = search.isRecognized || search.architecture == nil
    components = search.found.map(\.component)
  }

  /// What a user calls the part that a tensor is in: that of its component, `vae`, the name of a folder; nil: it is in none, as a
  /// marker or a constant of the noise schedule.
  package func part(of tensor: TensorName) -> String? {
    let name = tensor.string
    let found = components.filter { name.hasPrefix($0.prefix) }.max { $0.prefix.utf8.count < $1.prefix.utf8.count }
    if let found, !found.prefix.isEmpty { return found.shortName }
    // Beside the model, an encoder may have a number of its own, such as CLIP's logit_scale.
    if let encoder = components.first(where: { $0.isBeside(name) }) { return encoder.shortName }
    if let slash = name.utf8.firstIndex(of: UInt8(ascii: "/")) { return String(name[..<slash]) }
    return Self.others.first { name.hasPrefix($0.beginning) }?.name ?? found?.shortName
  }
}

extension Component {
  /// Whether a tensor of a single file belongs to this text encoder although it lies beside its model.
  fileprivate func isBeside(_ name: String) -> Bool {
    guard kind.isTextEncoder, let ending = ["transformer.", "model."].first(where: prefix.hasSuffix) else {
      return false
    }
    return name.hasPrefix(prefix.dropLast(ending.count))
  }
}
