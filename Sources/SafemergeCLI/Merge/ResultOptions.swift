import Adapters
import ArgumentParser
import MergeEngine
import MergePlanning
import ModelNames

/// The options that decide the result of a merge, shared by the commands that make and check it.
struct ResultOptions: ParsableArguments {
  @Option(
    name: .customLong("dtype"),
    help: ArgumentHelp(
      "The dtype of the result: \(OutputDType.allCases.map(\.rawValue).joined(separator: ", ")). Default: same.",
      valueName: "dtype"))
  var givenDType: OutputDType?

  @Option(
    name: .customLong("tied"),
    help: ArgumentHelp(
      """
      What to do if an adapter makes head and embedding differ that the base keeps as one: \
      \(MergeOptions.Tied.allCases.map(\.rawValue).joined(separator: ", ")). Default: refuse.
      """, valueName: "tied"))
  var givenTied: MergeOptions.Tied?

  @Option(
    name: .customLong("mha-out-proj"),
    help: ArgumentHelp(
      """
      How often the delta of a MultiheadAttention's out_proj is added; PEFT up to 0.21.2 trains and merges it twice: \
      \(MergeOptions.AttentionOutput.allCases.map(\.rawValue).joined(separator: ", ")). Default: twice.
      """, valueName: "mha-out-proj"))
  var givenMHAOutProj: MergeOptions.AttentionOutput?

  @Option(
    name: .customLong("arithmetic"),
    help: ArgumentHelp(
      """
      Where rounding happens; peft reproduces PEFT 0.21.2 bit for bit: \
      \(MergeOptions.Arithmetic.allCases.map(\.rawValue).joined(separator: ", ")). Default: exact.
      """, valueName: "arithmetic"))
  var givenArithmetic: MergeOptions.Arithmetic?

  @Option(
    name: .customLong("round"),
    help: ArgumentHelp(
      "How merged elements are rounded: nearest, or stochastic:SEED with a number as the seed. Default: nearest.",
      valueName: "round"))
  var givenRound: RoundingArgument?

  @Option(
    help: """
      The order of the columns of B in stacked experts, for adapters that do not say it: \
      \(ExpertLayout.allCases.map(\.rawValue).joined(separator: ", ")).
      """)
  var expertLayout: ExpertLayout?

  @Option(
    help: ArgumentHelp(
      """
      Whether linear layers are stored (in, out), as the Conv1D of GPT-2 is, where neither shapes nor names nor the \
      model's family tell it: true or false.
      """, valueName: "true|false"))
  var fanInFanOut: Bool?

  @Option(
    help: """
      Rename what the adapter names before anything else is tried: REGEX=REPLACEMENT for names such as \
      model.layers.0.mlp.up_proj.weight, with \\1 for the first group. May be given several times; the first that fits counts.
      """)
  var map: [NameMapArgument] = []

  @Option(
    help: """
      Write the merged weights of a quantised base in the base's own format again, in place of 16 bits; of FP8 and NF4 \
      alone, and most of a small change is lost: \(Requantize.allCases.map(\.rawValue).joined(separator: ", ")).
      """)
  var requantize: Requantize?

  @Option(
    help: ArgumentHelp(
      """
      Merge into what 4-bit quantisation left of the base's linear layers while the adapter was trained (QLoRA): nf4, \
      nf4:BLOCK with elements that share a scale (64), or nf4:BLOCK,double where scales were quantised too.
      """, valueName: "base-was"))
  var baseWas: TrainingArgument?

  @Flag(help: "Add tensors that the base has not, such as a classifier that was trained with the adapter.")
  var addTensors = false

  @Option(
    help: """
      Divide the result anew into weight files of at most this size, such as 5GB or 500MiB (KB, MB and GB are powers of \
      1000), as transformers does; a larger tensor is alone in a file. The result is a folder then.
      """)
  var maxShardSize: FileSizeArgument?

  @Flag(help: "Write one weight file, without an index, also for a base of several.")
  var singleFile = false

  // Options that were not given: a check takes them from the record of the merge, if there is one.
  var dtype: OutputDType { givenDType ?? .same }
  var tied: MergeOptions.Tied { givenTied ?? .refuse }
  var mhaOutProj: MergeOptions.AttentionOutput { givenMHAOutProj ?? .twice }
  var arithmetic: MergeOptions.Arithmetic { givenArithmetic ?? .exact }
  var round: RoundingArgument { givenRound ?? RoundingArgument(rounding: .nearest) }

  func validate() throws {
    if singleFile, maxShardSize != nil {
      throw ValidationError("--single-file and --max-shard-size exclude each other.")
    }
    if requantize != nil, baseWas != nil {
      throw ValidationError("--requantize is for a quantised base and --base-was for one of numbers.")
    }
    if requantize != nil {
      if dtype != .same { throw ValidationError("--requantize and --dtype exclude each other.") }
      if arithmetic != .exact { throw ValidationError("--requantize goes with --arithmetic exact.") }
      if round.isStochastic { throw ValidationError("--requantize rounds to the nearest.") }
    }
  }

  var fileSizes: ShardingPolicy { singleFile ? .single : maxShardSize.map { .atMost($0.byteCount) } ?? .asBase }

  var planning: MergeOptions {
    var options = MergeOptions()
    options.outputDType = dtype.dtype
    options.tied = tied
    options.attentionOutput = mhaOutProj
    options.addsTensors = addTensors
    options.arithmetic = arithmetic
    options.expertLayout = expertLayout
    options.fileSizes = fileSizes
    options.fanInFanOut = fanInFanOut
    options.nameMaps = map.map(\.map)
    options.requantizes = requantize != nil
    options.baseWas = baseWas?.quantization
    return options
  }
}

/// The format in which merged weights of a quantized base are written, if not in 16 bits.
enum Requantize: String, CaseIterable, ExpressibleByArgument {
  /// The base's format.
  case same
}
