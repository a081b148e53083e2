import ArgumentParser

/// Which of several variants of a model's weights is read.
struct VariantOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      The variant of the weights where a folder has several side by side: fp16 for model.fp16.safetensors, default for files \
      without a variant in their names.
      """, valueName: "name"))
  var variant: String?
}
