/// What a file holds that no merge can use, or that is not supported; named in the error.
public enum ForeignKind: Equatable, Sendable, CaseIterable {
  case tLoRA, oneTrainerOFT, partedOFT, sparseBias, scale, nunchaku
  case lllite, controlLoRA, ipAdapter, hypernetwork, embedding

  /// What the tensor belongs to, as an error says it.
  public var title: String {
    switch self {
    case .tLoRA: "a T-LoRA"
    case .oneTrainerOFT: "an OFT of OneTrainer"
    case .partedOFT: "an OFT of sd-scripts for FLUX"
    case .sparseBias: "a sparse residual of LyCORIS (extract_locon --use_sparse_bias)"
    case .scale: "a scale of stable-diffusion-webui in the place of alpha"
    case .nunchaku: "an adapter of nunchaku (SVDQuant)"
    case .lllite: "a ControlNet-LLLite"
    case .controlLoRA: "a Control-LoRA"
    case .ipAdapter: "an IP-Adapter"
    case .hypernetwork: "a hypernetwork"
    case .embedding: "an embedding (textual inversion)"
    }
  }

  /// Why it is not merged.
  var reason: String {
    switch self {
    case .tLoRA: "its rank depends on the time step, so no weight computes the same"
    case .oneTrainerOFT, .partedOFT: "this form of OFT is not supported"
    case .sparseBias: "which is not supported"
    case .scale: "no trainer writes it, and programs differ in how they read it"
    case .nunchaku: "its factors fit nunchaku's quantized layers only"
    case .lllite, .controlLoRA, .ipAdapter: "which adds modules and inputs to the model and does not change its weights"
    case .hypernetwork: "which adds modules to the model and does not change its weights"
    case .embedding: "which adds tokens and does not change weights"
    }
  }

  /// What to do instead.
  var hint: String {
    switch self {
    case .tLoRA, .hypernetwork, .embedding, .lllite, .controlLoRA, .ipAdapter:
      "load it beside the model in your image program"
    case .oneTrainerOFT, .partedOFT: "merge it with the trainer that wrote it"
    case .sparseBias: "extract the adapter again without --use_sparse_bias"
    case .scale: "replace it by an alpha of scale * rank"
    case .nunchaku: "take the adapter as it was before the conversion to nunchaku"
    }
  }

  /// Layers that nunchaku has in blocks of transformers, and no model under these names.
  private static let layersOfNunchaku: Set = [
    "qkv_proj", "qkv_proj_context", "out_proj_context", "mlp_fc1", "mlp_fc2", "mlp_context_fc1", "mlp_context_fc2",
  ]
  private static let blocksOfNunchaku: Set = ["transformer_blocks", "single_transformer_blocks"]

  /// What a whole key belongs to, by names that no adapter of weights has; nil: none of these.
  init?(key: String, segments: [String]) {
    func begins(_ text: String) -> Bool { key.utf8.starts(with: text.utf8) }
    if begins("lllite_") {
      self = .lllite
    } else if begins("lora_controlnet") || segments.contains("input_hint_block") || segments.contains("lora_controlnet")
    {
      self = .controlLoRA
    } else if segments.contains("ip_adapter") || segments.contains("image_proj") || segments.contains("to_k_ip") {
      self = .ipAdapter
    } else if segments.count > 2, Int(segments[0]) != nil, segments[1...2].contains("linear") {
      self = .hypernetwork
    } else if segments.count > 3, Self.blocksOfNunchaku.contains(segments[0]),
      Self.layersOfNunchaku.contains(segments[2])
    {
      self = .nunchaku
    } else if ["emb_params", "clip_l", "clip_g"].contains(key) || segments[0] == "string_to_param" {
      self = .embedding
    } else if segments.count > 2, segments[segments.count - 2] == "oft_blocks" {
      self = .partedOFT
    } else {
      return nil
    }
  }
}
