import ArgumentParser
import LowRank
import Staging

/// How many singular values of each module are kept.
struct RankOptions: ParsableArguments {
  @Option(name: [.short, .long], help: ArgumentHelp("The rank of every module.", valueName: "number"))
  var rank: Int?

  @Option(
    help: ArgumentHelp(
      "Per module the smallest rank that keeps this share of the squared Frobenius norm, such as 0.95.",
      valueName: "share"))
  var energy: Double?

  @Option(
    help: ArgumentHelp(
      "Per module as many singular values as are larger than the largest one divided by this number.",
      valueName: "number"))
  var svRatio: Double?

  @Option(
    help: ArgumentHelp("The largest rank that --energy and --sv-ratio may choose.", valueName: "number"))
  var maxRank: Int?

  func validate() throws {
    let given = [rank != nil, energy != nil, svRatio != nil].count { $0 }
    if given > 1 { throw ValidationError("--rank, --energy and --sv-ratio exclude each other") }
    if let rank, rank < 1 { throw ValidationError("invalid value \"\(rank)\" for --rank: expected at least 1") }
    if let maxRank, maxRank < 1 {
      throw ValidationError("invalid value \"\(maxRank)\" for --max-rank: expected at least 1")
    }
    if let energy, !(energy > 0 && energy <= 1) {
      throw ValidationError("invalid value \"\(energy)\" for --energy: expected a share above 0, at most 1")
    }
    if let svRatio, !(svRatio >= 1 && svRatio.isFinite) {
      throw ValidationError("invalid value \"\(svRatio)\" for --sv-ratio: expected a number of at least 1")
    }
    if maxRank != nil, energy == nil, svRatio == nil {
      throw ValidationError("--max-rank goes with --energy or --sv-ratio")
    }
  }

  /// The rule; nil: none was given.
  var rule: RankRule? {
    if let rank { return RankRule(.count(rank)) }
    if let energy { return RankRule(.energy(energy), limit: maxRank) }
    if let svRatio { return RankRule(.ratio(svRatio), limit: maxRank) }
    return nil
  }

  /// The options under their names, for the identity of a run.
  var recorded: [MergeIdentity.Option] {
    let values: [(String, String?)] = [
      ("rank", rank.map(String.init)), ("energy", energy.map { "\($0)" }), ("sv-ratio", svRatio.map { "\($0)" }),
      ("max-rank", maxRank.map(String.init)),
    ]
    return values.compactMap { name, value in value.map { MergeIdentity.Option(name: name, value: $0) } }
  }
}
