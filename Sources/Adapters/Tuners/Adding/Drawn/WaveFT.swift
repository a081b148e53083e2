import JSONText
import Safetensors

/// WaveFT: `W + s F`, F being one level of the inverse wavelet transform of a matrix with few values, or that matrix itself. Their
/// places are the first of a permutation that a seed gives.
///
/// Sources: Bilican et al., arXiv:2505.12532; PEFT 0.21.2 `WaveFTLayer.get_delta_weight`.
struct WaveFT: Tuner {
  static let peftType = "WAVEFT"
  static let name = "WaveFT"
  static let ownBiases = "waveft_only"
  static let fields =
    SpectrumValues.fields + [.used("wavelet_family"), .used("use_idwt"), .used("proportional_parameters")]

  private static let spectrum = FactorRole("waveft_spectrum")

  static let endings = [KeyEnding(spectrum)]

  private let values: SpectrumValues
  private let transform: Spectrum<Factor>.Transform

  init(_ reader: ConfigReader) throws(AdapterError) {
    // With the sizes of all modules in memory PEFT divides the values among them: the file has what each got.
    let isProportional = try reader.bool("proportional_parameters")
    values = try SpectrumValues(Self.spectrum, reader, count: 2592, scaling: 25, isOpen: isProportional)
    guard try reader.bool("use_idwt", default: true) else {
      transform = .none
      return
    }
    let family = try reader.string("wavelet_family") ?? "db1"
    guard let filter = WaveletFilters.all[family] else {
      throw AdapterError(
        path: reader.path,
        .unsupportedField(
          "wavelet_family", value: JSONValue.string(family).summary,
          reason: "PEFT 0.21.2 computes only db1 to db10, sym2 to sym10 and coif1 to coif4", hint: nil))
    }
    transform = .wavelet(filter)
  }

  func field(replacing tensor: String) -> String? { values.field(replacing: tensor) }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    try values.updates(of: tensors, transform)
  }
}
