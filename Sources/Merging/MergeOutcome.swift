import MergeEngine
import MergePlanning

/// What a merge did.
public struct MergeOutcome: Sendable, Equatable {
  /// What the engine found and wrote.
  public let weights: MergeEngine.Outcome
  /// What a person should know of it.
  public let notices: [MergeWarning]
  /// What a person should know of weights that were written in the base's format again.
  public let requantizingWarnings: [String]
  /// What the verification has to say and is no fault.
  public let notes: [String]

  init(weights: MergeEngine.Outcome, plan: MergePlan, notes: [String]) {
    self.weights = weights
    self.notes = notes
    notices = weights.notices(plan)
    requantizingWarnings = weights.requantizingWarnings(plan)
  }

  /// The weight files, in the order of the plan.
  public var shards: [WrittenShard] { weights.shards }
}
