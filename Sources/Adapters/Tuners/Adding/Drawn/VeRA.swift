import JSONText
import Safetensors

/// VeRA: `W + (b * B) (d * A)`, two random projections that all modules share, whose rows each module scales.
///
/// Sources: Kopiczko et al., arXiv:2310.11454; PEFT 0.21.2 `VeraModel`, `Linear.get_delta_weight`.
struct VeRA: Tuner {
  static let peftType = "VERA"
  static let name = "VeRA"
  static let ownBiases = "vera_only"
  static let fields = VectorProjections.fields(dropout: "vera_dropout")
  static let endings = VectorProjections.Names.vera.roles.map { KeyEnding($0) }
  static let shared = VectorProjections.Names.vera.shared

  private let projections: VectorProjections

  init(_ reader: ConfigReader) throws(AdapterError) { projections = try VectorProjections(.vera, reader) }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    try projections.updates(of: tensors)
  }
}

/// PVeRA: VeRA with a mean and a variance for each scale of the first projection; a merge takes the means, which are the
/// first half.
///
/// Sources: Leterme et al., arXiv:2512.07703; PEFT 0.21.2 `PveraModel`, `Linear.get_delta_weight`.
struct PVeRA: Tuner {
  static let peftType = "PVERA"
  static let name = "PVeRA"
  static let ownBiases = "pvera_only"
  static let fields =
    VectorProjections.fields(dropout: "pvera_dropout") + [
      .ignored("sample_at_inference", because: "a merge takes the means")
    ]
  static let endings = VectorProjections.Names.pvera.roles.map { KeyEnding($0) }
  static let shared = VectorProjections.Names.pvera.shared

  private let projections: VectorProjections

  init(_ reader: ConfigReader) throws(AdapterError) { projections = try VectorProjections(.pvera, reader) }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    try projections.updates(of: tensors)
  }
}
