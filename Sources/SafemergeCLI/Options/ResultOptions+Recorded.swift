import Adapters
import Checkpoints
import MergeEngine
import MergePlanning
import ModelNames
import Staging

/// Conversion of the options to and from `.safemerge.json`.
extension ResultOptions {
  /// The options that decide the result, under their names on the command line.
  var recorded: [MergeIdentity.Option] {
    let rounding =
      switch round.rounding {
      case .nearest: "nearest"
      case .stochastic(let seed): "stochastic:\(seed)"
      }
    var options: [(String, String)] = [
      ("dtype", dtype.rawValue), ("arithmetic", arithmetic.rawValue), ("round", rounding),
    ]
    options += modules.recorded.map { ($0.name, $0.value) }
    if quantization.requantize { options.append(("requantize", "true")) }
    if let qlora = quantization.qlora { options.append(("qlora", qlora.text)) }
    if let size = weights.maxShardSize { options.append(("max-shard-size", "\(size.byteCount)B")) }
    if weights.singleFile { options.append(("single-file", "true")) }
    if let variant = base.variant { options.append(("variant", variant)) }
    return options.map { .init(name: $0.0, value: $0.1) }
  }

  /// The command line for recorded options.
  ///
  /// - Parameter options: By name; options of other groups are ignored.
  static func arguments(for options: [MergeIdentity.Option]) -> [String] {
    options.flatMap { option -> [String] in
      let (name, value) = (option.name, option.value)
      switch name {
      case "dtype", "arithmetic", "round", "tied", "mha-out-proj", "qlora", "max-shard-size", "fan-in-fan-out",
        "variant":
        return ["--\(name)=\(value)"]
      case "expert-layout": return value == "auto" ? [] : ["--\(name)=\(value)"]
      case "add-tensors", "single-file", "requantize": return value == "true" ? ["--\(name)"] : []
      default: return name.hasPrefix("map ") ? ["--map=\(value)"] : []
      }
    }
  }

  /// These options, completed by those of `other`.
  func filled(from other: ResultOptions) -> ResultOptions {
    var options = self
    options.weights.givenDType = weights.givenDType ?? other.weights.givenDType
    options.weights.givenArithmetic = weights.givenArithmetic ?? other.weights.givenArithmetic
    options.weights.givenRound = weights.givenRound ?? other.weights.givenRound
    if weights.maxShardSize == nil, !weights.singleFile {
      options.weights.maxShardSize = other.weights.maxShardSize
      options.weights.singleFile = other.weights.singleFile
    }
    options.base.variant = base.variant ?? other.base.variant
    options.modules.givenTied = modules.givenTied ?? other.modules.givenTied
    options.modules.givenMHAOutProj = modules.givenMHAOutProj ?? other.modules.givenMHAOutProj
    options.modules.expertLayout = modules.expertLayout ?? other.modules.expertLayout
    options.modules.fanInFanOut = modules.fanInFanOut ?? other.modules.fanInFanOut
    options.modules.addTensors = modules.addTensors || other.modules.addTensors
    if modules.map.isEmpty { options.modules.map = other.modules.map }
    options.quantization.requantize = quantization.requantize || other.quantization.requantize
    options.quantization.qlora = quantization.qlora ?? other.quantization.qlora
    return options
  }
}
