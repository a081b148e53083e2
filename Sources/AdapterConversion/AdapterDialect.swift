import Adapters

/// A form in which adapters are saved.
package enum AdapterDialect: String, CaseIterable, Sendable {
  /// A folder of PEFT: adapter_config.json and adapter_model.safetensors.
  case peft
  /// One file with the names of diffusers and PEFT's configs in its metadata.
  case diffusers
  /// One file with flat names, as kohya's sd-scripts and LyCORIS write it.
  case kohya
  /// One file with the names of the published models, as ComfyUI reads it.
  case comfyUI = "comfyui"
  /// A folder of mlx-lm: adapter_config.json and adapters.safetensors.
  case mlx

  /// What messages call it.
  package var title: String {
    switch self {
    case .peft: "PEFT"
    case .diffusers: "diffusers"
    case .kohya: "kohya"
    case .comfyUI: "ComfyUI"
    case .mlx: "MLX"
    }
  }

  /// Whether an adapter in it is a folder with a config; if not, it is one safetensors file.
  package var isFolder: Bool { self == .peft || self == .mlx }

  /// The name of the weights in such a folder.
  package var weightsName: String { self == .mlx ? "adapters.safetensors" : PEFTLayout.weightsName }

  /// Whether it names modules of image and video models, whose names differ between dialects.
  var isOfImages: Bool { !isFolder }
}
