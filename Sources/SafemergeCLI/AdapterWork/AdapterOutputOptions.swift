import ArgumentParser

/// Where an adapter that a command makes goes.
struct AdapterOutputOptions: ParsableArguments {
  @Option(name: [.short, .long], help: ArgumentHelp("The new adapter.", valueName: "path"), completion: .directory)
  var output: String?

  @Flag(name: [.short, .long], help: "Replace an existing output, if it is an adapter or a model.")
  var force = false

  @Flag(name: [.customShort("n"), .long], help: "Run all checks and print what would be made; write nothing.")
  var dryRun = false

  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp("Resume an interrupted run with the same inputs and options.", visibility: .hidden))
  var resume = true

  @Flag(
    help: ArgumentHelp(
      "Remove the lock of a run that is no longer running; needed only on file systems without flock.",
      visibility: .hidden))
  var breakLock = false

  /// Whether the output is one file.
  var isFile: Bool { output?.hasSuffix(".safetensors") ?? false }

  /// Checks that the output has a name as its kind needs it.
  ///
  /// - Parameters:
  ///   - isFile: Whether the adapter will be one file.
  ///   - adapter: What the adapter is called in the message.
  func check(isFile: Bool, _ adapter: String) throws {
    guard output != nil, self.isFile != isFile else { return }
    throw ValidationError(
      "\(adapter) is \(isFile ? "one file" : "a folder")",
      hint: "give --output a name \(isFile ? "that ends in" : "without") .safetensors")
  }

  func validate() throws {
    if output == nil, !dryRun {
      throw ValidationError(
        "missing required option --output (-o): where to write the new adapter", hint: "for example -o adapter")
    }
  }
}
