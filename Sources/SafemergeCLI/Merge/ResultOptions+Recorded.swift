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
      ("dtype", dtype.rawValue), ("arithmetic", arithmetic.rawValue), ("round", rounding), ("tied", tied.rawValue),
      ("mha-out-proj", mhaOutProj.rawValue), ("expert-layout", expertLayout?.rawValue ?? "auto"),
      ("add-tensors", addTensors ? "true" : "false"),
    ]
    options += map.enumerated().map {
      ("map \($0.offset + 1)", "\($0.element.map.pattern)=\($0.element.map.replacement)")
    }
    if let fanInFanOut { options.append(("fan-in-fan-out", fanInFanOut ? "true" : "false")) }
    if let requantize { options.append(("requantize", requantize.rawValue)) }
    if let baseWas { options.append(("base-was", baseWas.text)) }
    if let maxShardSize { options.append(("max-shard-size", String(maxShardSize.byteCount))) }
    if singleFile { options.append(("single-file", "true")) }
    return options.map { .init(name: $0.0, value: $0.1) }
  }

  /// The command line for recorded options.
  ///
  /// - Parameter options: By name; options of other groups are ignored.
  static func arguments(for options: [MergeIdentity.Option]) -> [String] {
    options.flatMap { option -> [String] in
      let (name, value) = (option.name, option.value)
      switch name {
      case "dtype", "arithmetic", "round", "tied", "mha-out-proj", "requantize", "base-was", "max-shard-size",
        "fan-in-fan-out":
        return ["--\(name)=\(value)"]
      case "expert-layout": return value == "auto" ? [] : ["--\(name)=\(value)"]
      case "add-tensors", "single-file": return value == "true" ? ["--\(name)"] : []
      default: return name.hasPrefix("map ") ? ["--map=\(value)"] : []
      }
    }
  }

  /// These options, completed by those of `other`.
  func filled(from other: ResultOptions) -> ResultOptions {
    var options = self
    options.givenDType = givenDType ?? other.givenDType
    options.givenTied = givenTied ?? other.givenTied
    options.givenMHAOutProj = givenMHAOutProj ?? other.givenMHAOutProj
    options.givenArithmetic = givenArithmetic ?? other.givenArithmetic
    options.givenRound = givenRound ?? other.givenRound
    options.expertLayout = expertLayout ?? other.expertLayout
    if map.isEmpty { options.map = other.map }
    options.fanInFanOut = fanInFanOut ?? other.fanInFanOut
    options.requantize = requantize ?? other.requantize
    options.baseWas = baseWas ?? other.baseWas
    options.addTensors = addTensors || other.addTensors
    if maxShardSize == nil, !singleFile {
      options.maxShardSize = other.maxShardSize
      options.singleFile = other.singleFile
    }
    return options
  }
}
