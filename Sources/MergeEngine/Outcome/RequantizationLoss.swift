/// The rounding error of a requantized weight.
public struct RequantizationLoss: Sendable, Equatable {
  /// Codes that are not the base's.
  public internal(set) var changedCount: UInt64 = 0
  /// Elements whose change is at least half a step of their codes: half the distance from the new code's number to the
  /// next greater one, times the block's scale. A smaller one is lost where the block's scale stays.
  public internal(set) var halfStepCount: UInt64 = 0

  static func += (sum: inout RequantizationLoss, other: RequantizationLoss) {
    sum.changedCount += other.changedCount
    sum.halfStepCount += other.halfStepCount
  }
}
