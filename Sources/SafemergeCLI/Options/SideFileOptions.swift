import ArgumentParser
import Checkpoints

/// The files of the base's folder that are copied beside the merged weights.
struct SideFileOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Also copy files of the base folder that match this glob, such as README.md or 'onnx/*'. Repeatable.",
      valueName: "glob", visibility: .hidden))
  var includeFile: [String] = []

  @Option(
    help: ArgumentHelp(
      "Don't copy files that match this glob, such as 'assets/*.wav'; wins over --include-file. Repeatable.",
      valueName: "glob", visibility: .hidden))
  var excludeFile: [String] = []

  var selection: SideFiles.Selection { SideFiles.Selection(include: includeFile, exclude: excludeFile) }
}
