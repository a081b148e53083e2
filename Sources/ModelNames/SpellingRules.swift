/// Names inside of a path that another trainer has for what the model calls otherwise, tried where nothing else is found.
enum SpellingRules {
  /// Tinker has gpt-oss's attention so.
  private static let segments = [("attn", "self_attn")]

  static func variant(_ name: String) -> (name: String, rule: String)? {
    let components = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    for (old, new) in segments where components.contains(old) {
      let other = components.map { $0 == old ? new : $0 }.joined(separator: ".")
      return (other, "spelling: \(old) is \(new)")
    }
    return nil
  }
}
