/// One of the models that an image or video model consists of.
package struct Component: Sendable, Equatable {
  /// What a component is for.
  package enum Kind: Hashable, Sendable {
    /// The UNet or transformer that removes the noise.
    case diffusionModel
    /// The text encoder CLIP ViT-L of OpenAI.
    case clipL
    /// OpenCLIP ViT-H, the text encoder of SD2.
    case clipH
    /// OpenCLIP ViT-bigG, the second text encoder of SDXL and SD3.
    case clipG
    /// The encoder of a T5 or UMT5.
    case t5
    /// The VAE. No adapter changes it.
    case autoencoder
    /// Another text encoder, such as a language model, by the name that the base has for it.
    case other(String)

    /// What messages call it.
    package var name: String {
      switch self {
      case .diffusionModel: "diffusion model"
      case .clipL: "CLIP-L"
      case .clipH: "OpenCLIP-H"
      case .clipG: "CLIP-G"
      case .t5: "T5"
      case .autoencoder: "VAE"
      case .other(let name): name
      }
    }

    /// What adapters and the weights of their parts call it, the shortest first; empty: it has no such name.
    package var shortNames: [String] {
      switch self {
      case .diffusionModel, .autoencoder: []
      case .clipL: ["te1", "clip_l"]
      case .clipH: ["te1", "clip_h"]
      case .clipG: ["te2", "clip_g"]
      case .t5: ["te3", "t5xxl"]
      case .other(let name): [name]
      }
    }

    /// Whether it is a text encoder.
    package var isTextEncoder: Bool { self != .diffusionModel && self != .autoencoder }
  }

  /// How a component's tensors are named.
  package enum Scheme: String, Sendable {
    /// As in the code that the model was published with.
    case native
    /// As ComfyUI respells them, where it does.
    case comfyUI = "ComfyUI"
    /// As diffusers has them; of a text encoder, as transformers has them.
    case diffusers
  }

  package let kind: Kind
  package let scheme: Scheme
  /// What the names of its tensors begin with, such as `model.diffusion_model.` or `transformer/`; empty: nothing.
  package let prefix: String

  /// The part's folder of a diffusers model; nil: the base is a single file.
  package var folder: String? { prefix.hasSuffix("/") ? String(prefix.dropLast()) : nil }

  /// What a user calls it: its folder, or `unet`, `te1` and the like.
  package var shortName: String { folder ?? kind.shortNames.first ?? "unet" }
}
