import ArgumentParser
import MergeEngine
import Merging

/// How a merge checks its result before it is moved into place.
struct CheckingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Verify the output before it is moved into place: read = read it back from disk; full = also recompute every element \
      independently.
      """, valueName: "mode"))
  var verify: MergeRequest.Verification = .none

  @Flag(help: "Record SHA-256 checksums of all weight files, of the base and of the output, in .safemerge.json.")
  var checksums = false

  @Option(
    help: ArgumentHelp(
      "What to do if finite elements become infinite or NaN.", valueName: "mode", visibility: .hidden))
  var onNonfinite: MergeEngine.NonFinite = .fail
}

extension MergeEngine.NonFinite: ExpressibleByArgument {}
extension MergeRequest.Verification: ExpressibleByArgument {}
