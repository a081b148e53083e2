import Adapters
import ArgumentParser
import Checkpoints
import JSONText
import MergeChecking
import MergePlanning
import Safetensors

/// What `check --against` has to know of the merge: its inputs, and the options that decide its result.
struct AgainstOptions: ParsableArguments {
  @Option(
    help: """
      Compare the result with the merge of the adapters into this base: a path, or a model of the hub in the local cache.
      """, completion: .model)
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
  ///
  /// - Throws: ``CombinedResult`` for a result that is no sum of its adapters.
  func checkOptions(_ output: String, workers: Int) throws -> MergeCheck.Options {
    var options = MergeCheck.Options(workers: workers)
    options.isStochastic = result.round.isStochastic
    if exact { options.hasPromisedBits = true }
    let path = Paths.join(output, ".safemerge.json")
    guard let bytes = try? BoundedFile.read(path, limit: 64 << 20), let record = try? JSONParser.parse(bytes.span),
      let recorded = record["options"]
    else { return options }
    if case .string(let method)? = recorded["combine"] { throw CombinedResult(file: path, method: method) }
    if recorded["requantize"] != nil, result.requantize == nil {
      throw OtherOption(file: path, option: "requantize")
    }
    if recorded["base-was"] != nil, result.baseWas == nil { throw OtherOption(file: path, option: "base-was") }
    guard !options.isStochastic, !exact else { return options }
    if case .string(let rounding)? = recorded["round"], rounding.hasPrefix("stochastic") {
      options.isStochastic = true
    } else if recorded["arithmetic"] == .string(result.arithmetic.rawValue) {
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

/// A result that was made with an option which is not given here.
struct OtherOption: ReportableError {
  let file: String?
  let option: String
  var errorClass: String { "unsupported" }
  var category: ErrorCategory { .refusedInput }
  var message: String { "says that the merge was made with --\(option), without which another result is expected" }
  var hint: String? { "give --\(option) to the check too" }
}

/// A result of `--combine`, which is computed again by no independent path.
struct CombinedResult: ReportableError {
  let file: String?
  let method: String
  var tensor: String? { nil }
  var errorClass: String { "unsupported" }
  var category: ErrorCategory { .refusedInput }
  var message: String {
    "says that the adapters were merged with --combine \(method); --against compares with their sum"
  }
  var hint: String? { "make the merge again and compare the two with safemerge diff --data" }
}
