import JSONText
import Safetensors

/// FourierFT: `W + s F`, F being the real part of the inverse Fourier transform of a matrix with few values. Their places are the
/// first of a permutation that a seed gives.
///
/// Sources: Gao et al., arXiv:2405.03003; PEFT 0.21.2 `FourierFTLayer.get_delta_weight`.
struct FourierFT: Tuner {
  static let peftType = "FOURIERFT"
  static let name = "FourierFT"
  static let ownBiases = "fourier_only"
  static let fields = SpectrumValues.fields

  private static let spectrum = FactorRole("fourierft_spectrum")

  static let endings = [KeyEnding(spectrum)]

  private let values: SpectrumValues

  init(_ reader: ConfigReader) throws(AdapterError) {
    values = try SpectrumValues(Self.spectrum, reader, count: 1000, scaling: 150)
  }

  func field(replacing tensor: String) -> String? { values.field(replacing: tensor) }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    try values.updates(of: tensors, .fourier)
  }
}
