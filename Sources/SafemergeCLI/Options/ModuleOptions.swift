import Adapters
import ArgumentParser
import MergePlanning
import ModelNames
import Staging

/// How the modules of the adapters are applied to the tensors of the base.
struct ModuleOptions: ParsableArguments {
  @Option(
    name: .customLong("tied"),
    help: ArgumentHelp(
      """
      How to handle tied embeddings when the adapter changes only one of lm_head and embed_tokens. Default: refuse.
      """, valueName: "mode"))
  var givenTied: MergeOptions.Tied?

  @Flag(help: "Add tensors that don't exist in the base, such as a trained classification head.")
  var addTensors = false

  @Option(
    help: ArgumentHelp(
      """
      Rename tensors before they are looked up in the base: REGEX=REPLACEMENT, with \\1 for the first group. Repeatable; the \
      first pattern that matches is used.
      """, valueName: "rule", visibility: .hidden), transform: NameMapArgument.init(argument:))
  var map: [NameMapArgument] = []

  @Option(
    name: .customLong("mha-out-proj"),
    help: ArgumentHelp(
      """
      How often to add the delta of a MultiheadAttention's out_proj. PEFT up to 0.21.2 trains and merges it twice. Default: \
      twice.
      """, valueName: "count", visibility: .hidden))
  var givenMHAOutProj: MergeOptions.AttentionOutput?

  @Option(
    help: ArgumentHelp(
      "Column order of lora_B in stacked experts, for adapters that don't record it.", valueName: "order",
      visibility: .hidden))
  var expertLayout: ExpertLayout?

  @Option(
    help: ArgumentHelp(
      "Whether linear layers are stored as (in, out), like GPT-2's Conv1D, where shapes and names leave it open.",
      valueName: "true|false", visibility: .hidden))
  var fanInFanOut: Bool?

  var tied: MergeOptions.Tied { givenTied ?? .refuse }
  var mhaOutProj: MergeOptions.AttentionOutput { givenMHAOutProj ?? .twice }

  /// Sets what these options decide of a plan.
  func apply(to options: inout MergeOptions) {
    options.tied = tied
    options.attentionOutput = mhaOutProj
    options.addsTensors = addTensors
    options.expertLayout = expertLayout
    options.fanInFanOut = fanInFanOut
    options.nameMaps = map.map(\.map)
  }

  /// The options that decide the result, under their names on the command line.
  var recorded: [MergeIdentity.Option] {
    var options: [(String, String)] = [
      ("tied", tied.rawValue), ("mha-out-proj", mhaOutProj.rawValue),
      ("expert-layout", expertLayout?.rawValue ?? "auto"), ("add-tensors", addTensors ? "true" : "false"),
    ]
    options += map.enumerated().map {
      ("map \($0.offset + 1)", "\($0.element.map.pattern)=\($0.element.map.replacement)")
    }
    if let value = fanInFanOut { options.append(("fan-in-fan-out", value ? "true" : "false")) }
    return options.map { .init(name: $0.0, value: $0.1) }
  }
}
