import Adapters
import ArgumentParser
import Checkpoints
import JSONText
import MergeChecking
import MergePlanning
import Safetensors

/// What `check --against` has to know of the merge: its inputs, and the options that decide its result.
struct AgainstOptions: ParsableArguments {
  @Option(help: "Compare the result with the merge of the adapters into this base.", completion: .model)
  var against: String?

  @Option(
    name: .customLong("adapter"),
    help: "An adapter that was merged, once for each; FOLDER=W for W times the adapter.", completion: .directory)
  var adapters: [String] = []

  @OptionGroup var result: ResultOptions

  @Flag(help: "Every merged element must have the very bits of safemerge's arithmetic; implied by .safemerge.json.")
  var exact = false

  @Option(
    help: "Where there are findings, merge into this new folder or file, and check that.", completion: .directory)
  var repair: String?

  func uses() throws -> [AdapterUse] {
    try adapters.map(AdapterArgument.init).map {
      AdapterUse(try $0.model.read(Adapter.init(folder:)), weight: $0.weight)
    }
  }

  /// How strictly a result is judged: by what is asked for, and by what the merge wrote down beside it.
  func checkOptions(_ output: String, workers: Int) -> MergeCheck.Options {
    var options = MergeCheck.Options(workers: workers)
    if case .stochastic = result.round.rounding { options.isStochastic = true }
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

  /// The merge that makes the result anew.
  func merge(to output: String) throws -> MergeCommand {
    var merge = try MergeCommand.parse(["--output", output, "--", against ?? ""] + adapters)
    merge.result = result
    return merge
  }
}
