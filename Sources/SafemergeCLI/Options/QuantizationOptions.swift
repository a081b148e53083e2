import ArgumentParser

/// How quantized bases and adapters that were trained on one are merged.
struct QuantizationOptions: ParsableArguments {
  @Flag(
    help: """
      Write merged weights in the base's quantized format (FP8 or NF4) instead of 16 bits. This loses most of a small delta.
      """)
  var requantize = false

  @Option(
    help: ArgumentHelp(
      """
      For QLoRA adapters: quantize and dequantize the base's linear layers before merging, as in training. nf4, \
      nf4:BLOCKSIZE (default 64), or nf4:BLOCKSIZE,double for double quantization.
      """, valueName: "format"), transform: QLoRAArgument.init(argument:))
  var qlora: QLoRAArgument?

  func validate() throws {
    if requantize, qlora != nil {
      throw ValidationError(
        "--requantize and --qlora exclude each other",
        hint: "--requantize is for a quantized base, --qlora for a 16-bit one")
    }
  }
}
