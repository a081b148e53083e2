/// A way to ask long work to stop at its next safe point.
public struct Interruption: Sendable {
  private let isAsked: @Sendable () -> Bool

  /// - Parameter isAsked: Called often, from several threads at once.
  public init(_ isAsked: @escaping @Sendable () -> Bool) { self.isAsked = isAsked }

  /// Whether the work should stop.
  package var isAskedFor: Bool { isAsked() }

  public static let never = Interruption { false }

  /// - Throws: ``Interrupted`` once the work was asked to stop.
  package func check() throws(Interrupted) {
    if isAsked() { throw Interrupted() }
  }
}

/// The work stopped because it was asked to.
public struct Interrupted: Error {
  public init() {}
}
