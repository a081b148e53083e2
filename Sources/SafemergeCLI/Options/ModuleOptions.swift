import Adapters
import ArgumentParser
import MergePlanning
import ModelNames

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
}
