import ArgumentParser
import MergePlanning

/// The elements and the files of the merged weights.
struct WeightOptions: ParsableArguments {
  @Option(
    name: .customLong("dtype"),
    help: ArgumentHelp("Dtype of the output; auto keeps the dtype of each tensor. Default: auto.", valueName: "dtype"))
  var givenDType: OutputDType?

  @Option(
    help: ArgumentHelp(
      "Re-shard the output into files of at most this size (5GB, 500MiB), like save_pretrained.", valueName: "size"),
    transform: FileSizeArgument.init(argument:))
  var maxShardSize: FileSizeArgument?

  @Flag(help: "Write all weights to one file, without an index.")
  var singleFile = false

  @Option(
    name: .customLong("round"),
    help: ArgumentHelp(
      "Rounding of merged elements: nearest or stochastic:SEED. Default: nearest.", valueName: "mode",
      visibility: .hidden), transform: RoundingArgument.init(argument:))
  var givenRound: RoundingArgument?

  @Option(
    name: .customLong("arithmetic"),
    help: ArgumentHelp(
      "Where to round: exact rounds once; peft reproduces PEFT 0.21.2 bit for bit. Default: exact.",
      valueName: "arithmetic", visibility: .hidden))
  var givenArithmetic: MergeOptions.Arithmetic?

  func validate() throws {
    if singleFile, maxShardSize != nil {
      throw ValidationError("--single-file and --max-shard-size exclude each other")
    }
  }
}
