/// How a program spells the two factors of LoRA in the keys of a file.
enum FileSpelling: CaseIterable, Sendable {
  /// kohya, LyCORIS, OneTrainer, musubi, lightx2v.
  case kohya
  /// PEFT, diffusers, AI Toolkit, diffusion-pipe, SimpleTuner.
  case peft
  /// DiffSynth-Studio: PEFT's with the adapter's name.
  case diffSynth
  /// Mochi: PEFT's without `.weight`.
  case bare
  /// UNets of diffusers since 0.17.
  case diffusersUNet
  /// Text encoders of diffusers.
  case diffusersText
  /// Behind a name that is a special dialect's: attention processors, XLabs.
  case processor

  /// Ends the key of the right factor, (r, in).
  var down: String {
    switch self {
    case .kohya: ".lora_down.weight"
    case .peft: ".lora_A.weight"
    case .diffSynth: ".lora_A.default.weight"
    case .bare: ".lora_A"
    case .diffusersUNet: ".lora.down.weight"
    case .diffusersText: ".lora_linear_layer.down.weight"
    case .processor: ".down.weight"
    }
  }

  /// Ends the key of the left factor, (out, r).
  var up: String {
    switch self {
    case .kohya: ".lora_up.weight"
    case .peft: ".lora_B.weight"
    case .diffSynth: ".lora_B.default.weight"
    case .bare: ".lora_B"
    case .diffusersUNet: ".lora.up.weight"
    case .diffusersText: ".lora_linear_layer.up.weight"
    case .processor: ".up.weight"
    }
  }
}
