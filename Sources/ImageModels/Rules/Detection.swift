/// How an architecture is recognized by the names of a base's tensors.
struct Detection: Sendable {
  /// The names, without the component's prefix, that all must be there.
  let needed: [String]
  /// Names of which none may be there.
  let forbidden: [String]

  init(_ needed: String..., without forbidden: [String] = []) {
    self.needed = needed
    self.forbidden = forbidden
  }

  /// Whether a base with these names has the architecture.
  func fits(_ names: Set<String>) -> Bool {
    !needed.isEmpty && needed.allSatisfy(names.contains) && !forbidden.contains(where: names.contains)
  }
}
