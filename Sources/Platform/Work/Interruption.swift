/// A way to ask long work to stop at its next good place.
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

/// Work that was asked to stop has stopped.
public struct Interrupted: Error {
  public init() {}
}
