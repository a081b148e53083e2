import Checkpoints
import JSONText

/// How PEFT took stacks of expert weights that look the same both ways.
enum ExpertOrientation {
  /// Whether PEFT saw a stack of square expert weights as (experts, in, out): by the family and by the version that wrote
  /// the adapter, which 0.17 and 0.18 did not look at and 0.19.0 had the wrong way round (fixed by its #3165).
  static func isTransposed(_ config: JSONValue?, peftVersion: String?) -> Bool {
    let isStoredTransposed = ModelConfig.stacksExpertsTransposed(config)
    let parts = (peftVersion ?? "0.17.0").split(separator: ".").prefix(3)
      .map { Int($0.prefix { $0.isASCII && $0.isNumber }) ?? 0 }
    if parts.lexicographicallyPrecedes([0, 19, 0]) { return true }
    if parts == [0, 19, 0] { return !isStoredTransposed }
    return isStoredTransposed
  }
}
