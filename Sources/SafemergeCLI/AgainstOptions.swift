import Adapters
import ArgumentParser
import Checkpoints
import JSONText
import MergeChecking
import MergePlanning
import Safetensors

/// What `check --against` has to know of the merge: its inputs, and the options that decide its result.
struct AgainstOptions: ParsableArguments {
  @Option(help: "Compare the result with the merge of the adapters into this base.", completion: .directory)
  var against: String?

  @Option(
    name: .customLong("adapter"),
    help: "An adapter that was merged, once for each; FOLDER=W for W times the adapter.", completion: .directory)
  var adapters: [String] = []

  @Option(help: "As the merge's: \(OutputDType.allCases.map(\.rawValue).joined(separator: ", ")).")
  var dtype: OutputDType = .same

  @Option(help: "As the merge's: \(MergeOptions.Tied.allCases.map(\.rawValue).joined(separator: ", ")).")
  var tied: MergeOptions.Tied = .refuse

  @Option(help: "As the merge's: \(MergeOptions.AttentionOutput.allCases.map(\.rawValue).joined(separator: ", ")).")
  var mhaOutProj: MergeOptions.AttentionOutput = .twice

  @Option(help: "As the merge's: \(MergeOptions.Arithmetic.allCases.map(\.rawValue).joined(separator: ", ")).")
  var arithmetic: MergeOptions.Arithmetic = .exact

  @Option(help: "As the merge's: nearest, or stochastic:SEED.")
  var round = RoundingArgument(rounding: .nearest)

  @Option(help: "As the merge's: \(ExpertLayout.allCases.map(\.rawValue).joined(separator: ", ")).")
  var expertLayout: ExpertLayout?

  @Option(help: "As the merge's: REGEX=REPLACEMENT, once for each.")
  var map: [NameMapArgument] = []

  @Flag(help: "As the merge's.")
  var addTensors = false

  @Flag(help: "Every merged element must have the very bits of safemerge's arithmetic; implied by .safemerge.json.")
  var exact = false

  @Option(
    help: "Where there are findings, merge into this new folder or file, and check that.", completion: .directory)
  var repair: String?

  var planning: MergeOptions {
    var options = MergeOptions()
    options.outputDType = dtype.dtype
    options.tied = tied
    options.attentionOutput = mhaOutProj
    options.addsTensors = addTensors
    options.arithmetic = arithmetic
    options.expertLayout = expertLayout
    options.nameMaps = map.map(\.map)
    return options
  }

  func uses() throws -> [AdapterUse] {
    try adapters.map(AdapterArgument.init).map {
      AdapterUse(try $0.model.read(Adapter.init(folder:)), weight: $0.weight)
    }
  }

  /// How strictly a result is judged: by what is asked for, and by what the merge wrote down beside it.
  func checkOptions(_ output: String, workers: Int) -> MergeCheck.Options {
    var options = MergeCheck.Options(workers: workers)
    if case .stochastic = round.rounding { options.isStochastic = true }
    if exact { options.hasPromisedBits = true }
    guard !options.isStochastic, !exact,
      let bytes = try? BoundedFile.read(Paths.join(output, ".safemerge.json"), limit: 64 << 20),
      let record = try? JSONParser.parse(bytes.span)
    else { return options }
    if case .string(let rounding)? = record["options"]?["round"], rounding.hasPrefix("stochastic") {
      options.isStochastic = true
    } else {
      options.hasPromisedBits = true
    }
    return options
  }

  /// The arguments of the merge that makes the result anew.
  func mergeArguments(to output: String, jobs: Int?, quiet: Bool) -> [String] {
    var arguments = [
      "--output", output, "--dtype", dtype.rawValue, "--tied", tied.rawValue, "--mha-out-proj", mhaOutProj.rawValue,
      "--arithmetic", arithmetic.rawValue,
    ]
    if case .stochastic(let seed) = round.rounding { arguments += ["--round", "stochastic:\(seed)"] }
    if let expertLayout { arguments += ["--expert-layout", expertLayout.rawValue] }
    if addTensors { arguments.append("--add-tensors") }
    if let jobs { arguments += ["--jobs", String(jobs)] }
    if quiet { arguments.append("--quiet") }
    return arguments + ["--", against ?? ""] + adapters
  }
}
