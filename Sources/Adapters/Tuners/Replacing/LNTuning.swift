/// LN tuning: norms that were trained whole and take the place of the base's.
///
/// Sources: Zhao et al., arXiv:2312.11420; PEFT 0.21.2 `LNTuningLayer.merge`.
struct LNTuning: Tuner {
  static let peftType = "LN_TUNING"
  static let name = "LN tuning"
  static let fields: [ConfigField] = []
  static let hasUpdates = false

  static let endings = ["weight", "bias"].map {
    KeyEnding("ln_tuning_layers.\($0)", AdapterKey.Role.plain(leaf: $0), name: 0)
  }

  private let targets: TargetedModules

  init(_ reader: ConfigReader) throws(AdapterError) { targets = try TargetedModules(reader) }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates { ModuleUpdates() }

  /// A norm of the base that the config names was trained with all that it has.
  func field(replacing tensor: String) -> String? { targets.field(naming: tensor, leaves: ["weight", "bias"]) }
}
