import ArgumentParser

/// Where the result of a merge goes.
struct OutputOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "The output: a folder, or a .safetensors file if the base is one file.", valueName: "path"),
    completion: .model)
  var output: String?

  @Flag(name: [.short, .long], help: "Replace an existing output, if it is a model.")
  var force = false

  @Flag(name: [.customShort("n"), .long], help: "Run all checks and print the plan; write nothing.")
  var dryRun = false

  @Option(
    help: ArgumentHelp(
      "Write statistics of every tensor to a new file: JSON, or an HTML page if the name ends in .html.",
      valueName: "file"), completion: .file(extensions: ["json", "html"]))
  var report: String?

  @Flag(
    help: """
      Write README.md, a model card for the Hugging Face Hub: base, adapters, weights, options and how the output was \
      verified.
      """)
  var modelCard = false
}
