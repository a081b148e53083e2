import ArgumentParser
import Checkpoints

/// The files of the base's folder that are copied beside the merged weights.
struct SideFileOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Copy files of the base's folder that are left out otherwise, such as README.md or 'onnx/*': a pattern of paths in it, or \
      of folders. May be given several times.
      """, valueName: "glob"))
  var includeFile: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Leave out files of the base's folder that are copied otherwise, such as 'assets/*.wav'. May be given several times, and \
      wins over --include-file.
      """, valueName: "glob"))
  var excludeFile: [String] = []

  var selection: SideFiles.Selection { SideFiles.Selection(include: includeFile, exclude: excludeFile) }
}
