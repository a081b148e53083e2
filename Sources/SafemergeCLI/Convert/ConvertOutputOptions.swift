import ArgumentParser

/// Where a converted adapter goes.
struct ConvertOutputOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "The output: a folder for peft and mlx, a .safetensors file for diffusers, kohya and comfyui.", valueName: "path"),
    completion: .model)
  var output: String?

  @Flag(name: [.short, .long], help: "Replace an existing output, if it is an adapter or a model.")
  var force = false

  @Flag(name: [.customShort("n"), .long], help: "Run all checks and print the result's size; write nothing.")
  var dryRun = false

  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp("Resume an interrupted conversion with the same inputs and options.", visibility: .hidden))
  var resume = true

  @Flag(
    help: ArgumentHelp(
      "Remove the lock of a conversion that is no longer running; needed only on file systems without flock.",
      visibility: .hidden))
  var breakLock = false
}
