import ArgumentParser

/// The arguments of `check --against`: the merge's inputs and the options that decide its result. Missing ones are
/// taken from the record of the merge (``ComparedMerge``).
struct ReferenceMergeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Compare the result with the merge of the adapters into this base: a path or a Hugging Face model ID.",
      valueName: "base"), completion: .model)
  var against: String?

  @Option(
    name: .customLong("adapter"),
    help: ArgumentHelp(
      """
      An adapter that was merged, or ADAPTER=WEIGHT; once for each. Weights and options that are not given come from the \
      .safemerge.json beside the result.
      """, valueName: "adapter"), completion: .directory)
  var adapters: [String] = []

  @Option(
    help: ArgumentHelp("If there are findings, merge into this new folder or file, and check that.", valueName: "path"),
    completion: .directory)
  var repair: String?

  @Flag(help: "Require the exact bits of safemerge's own arithmetic; implied by .safemerge.json.")
  var exact = false

  @OptionGroup(title: "Options of the merge", visibility: .hidden)
  var combine: CombineOptions

  @OptionGroup(title: "Options of the merge", visibility: .hidden)
  var result: ResultOptions
}
