import ArgumentParser

/// The arguments of `check --against`: the merge's inputs and the options that decide its result. Missing ones are
/// taken from the record of the merge (``ComparedMerge``).
struct ReferenceMergeOptions: ParsableArguments {
  @Option(
    help: """
      Compare the result with the merge of the adapters into this base: a path, or a model of the hub in the local cache.
      """, completion: .model)
  var against: String?

  @Option(
    name: .customLong("adapter"),
    help: """
      An adapter that was merged, once for each; FOLDER=W for W times the adapter. Weights and options that are not given \
      come from the .safemerge.json beside the result.
      """, completion: .directory)
  var adapters: [String] = []

  @OptionGroup var result: ResultOptions

  @OptionGroup var combine: CombineOptions

  @Flag(help: "Every merged element must have the very bits of safemerge's arithmetic; implied by .safemerge.json.")
  var exact = false

  @Option(
    help: "Where there are findings, merge into this new folder or file, and check that.", completion: .directory)
  var repair: String?
}
