/// The progress of making an adapter.
public struct AdapterProgress: Sendable, Equatable {
  /// The unit that was just made or found.
  public let unit: String
  /// Whether a run before made it.
  public let isKept: Bool
  public let unitsDone: Int
  public let unitsTotal: Int
  /// Of the costs of all units.
  public let costDone: Int
  public let costTotal: Int
  /// Of ``costDone`` what a run before did.
  public let costKept: Int
}
