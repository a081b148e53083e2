import Adapters
import ArgumentParser
import MergeEngine
import MergePlanning
import ModelNames

/// The options that decide the result of a merge, shared by the commands that make and check it.
struct ResultOptions: ParsableArguments {
  @OptionGroup(title: "Output")
  var weights: WeightOptions

  @OptionGroup(title: "Base")
  var base: VariantOptions

  @OptionGroup(title: "Adapters")
  var modules: ModuleOptions

  @OptionGroup(title: "Quantized bases")
  var quantization: QuantizationOptions

  // Options that were not given: a check takes them from the record of the merge, if there is one.
  var dtype: OutputDType { weights.givenDType ?? .auto }
  var arithmetic: MergeOptions.Arithmetic { weights.givenArithmetic ?? .exact }
  var round: RoundingArgument { weights.givenRound ?? RoundingArgument(rounding: .nearest) }

  func validate() throws {
    guard quantization.requantize else { return }
    if dtype != .auto { throw ValidationError("--requantize and --dtype exclude each other") }
    if arithmetic != .exact { throw ValidationError("--requantize and --arithmetic peft exclude each other") }
    if round.isStochastic { throw ValidationError("--requantize and --round stochastic exclude each other") }
  }

  /// Validates these options and those of the groups in them.
  func validateAll() throws {
    try weights.validate()
    try quantization.validate()
    try validate()
  }

  var fileSizes: ShardingPolicy {
    weights.singleFile ? .single : weights.maxShardSize.map { .atMost($0.byteCount) } ?? .asBase
  }

  var planning: MergeOptions {
    var options = MergeOptions()
    options.outputDType = dtype.dtype
    modules.apply(to: &options)
    options.arithmetic = arithmetic
    options.fileSizes = fileSizes
    options.requantizes = quantization.requantize
    options.qlora = quantization.qlora?.quantization
    return options
  }
}

extension MergeOptions.Tied: ExpressibleByArgument {}
extension MergeOptions.Arithmetic: ExpressibleByArgument {}
extension MergeOptions.AttentionOutput: ExpressibleByArgument {}
extension ExpertLayout: ExpressibleByArgument {}
