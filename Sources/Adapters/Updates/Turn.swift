/// Which rows or columns belong to a part, where those of several parts alternate: of every ``count`` the one at ``offset``.
public struct Turn: Sendable, Equatable {
  public let count: Int
  public let offset: Int

  public init(count: Int, offset: Int) {
    self.count = count
    self.offset = offset
  }

  /// Every one.
  public static let every = Turn(count: 1, offset: 0)
}
