import ArgumentParser
import Merging

/// Options for interruptions and damage, as typed.
struct SafetyOptions: ParsableArguments {
  @Flag(
    inversion: .prefixedNo,
    help: "Go on with what an interrupted merge of the same inputs and options left, or begin anew.")
  var resume = true

  @Flag(help: "Take the place of a merge to the same output that is not seen to be running on this machine.")
  var breakLock = false

  @Flag(
    help: """
      Compute the SHA-256 of the weight files of the base and of the result, for .safemerge.json; about a second a GB and \
      thread.
      """)
  var sums = false

  @Option(
    help: """
      Before the result gets its name, read every weight file from the disk again and compare it with what was written \
      (read, with --sums), and besides compute the merge again by another path, as check --against does (full): \
      \(MergeRequest.Verification.allCases.map(\.rawValue).joined(separator: ", ")).
      """)
  var verify: MergeRequest.Verification = .none
}
