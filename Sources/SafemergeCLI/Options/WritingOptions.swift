import ArgumentParser
import MergeEngine

/// How the output of a merge is written.
struct WritingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Share unchanged blocks with the base, as cp does, on file systems that can (XFS, btrfs); always fails where they can't \
      be shared.
      """, valueName: "when", visibility: .hidden))
  var reflink: CopyMode = .auto

  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp("Resume an interrupted merge with the same inputs and options.", visibility: .hidden))
  var resume = true

  @Flag(
    help: ArgumentHelp(
      "Remove the lock of a merge that is no longer running; needed only on file systems without flock.",
      visibility: .hidden))
  var breakLock = false
}

extension CopyMode: ExpressibleByArgument {}
