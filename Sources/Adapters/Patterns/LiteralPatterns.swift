/// The keys without any metacharacter but `.`, looked up together.
///
/// Adapters initialized with EVA name every module by its full path. A tree of the reversed keys finds the first
/// that fits in about as many steps as the path is long, however many keys there are.
struct LiteralPatterns: Sendable {
  /// Stands for `.`: any code point but a newline.
  private static let wildcard = UInt32.max

  private var children: [UInt64: Int] = [:]
  /// By node: the first key that begins there, read backwards.
  private var keyByNode: [Int?] = [nil]

  /// The key's code points; nil if it needs a real pattern.
  static func scalars(of key: String) -> [UInt32]? {
    let isLiteral = !key.unicodeScalars.contains { "\\[{()*+?^$|".unicodeScalars.contains($0) }
    return isLiteral ? key.unicodeScalars.map { $0 == "." ? wildcard : $0.value } : nil
  }

  private static func edge(_ node: Int, _ scalar: UInt32) -> UInt64 { UInt64(node) << 32 | UInt64(scalar) }

  /// Adds a key; keys come in their order.
  mutating func insert(_ scalars: [UInt32], index: Int) {
    var node = 0
    for scalar in scalars.reversed() {
      let edge = Self.edge(node, scalar)
      if let child = children[edge] {
        node = child
      } else {
        node = keyByNode.count
        children[edge] = node
        keyByNode.append(nil)
      }
    }
    if keyByNode[node] == nil { keyByNode[node] = index }
  }

  /// The lowest index of a key that matches `path` in PEFT's frame.
  func firstMatch(_ path: [UInt32], budget: inout MatchBudget) throws(PatternProblem) -> Int? {
    if keyByNode.count == 1, keyByNode[0] == nil { return nil }
    let newline = UInt32(ascii: "\n")
    // `.*` stops at a newline, and `$` also holds before one that ends the text.
    let lastStart = path.firstIndex(of: newline) ?? path.count
    var best: Int?
    for end in path.last == newline ? [path.count, path.count - 1] : [path.count] {
      var nodes = [0]
      var position = end
      while true {
        let isStart = position == 0 || (path[position - 1] == UInt32(ascii: ".") && position <= lastStart)
        if isStart { for node in nodes { best = [best, keyByNode[node]].compactMap { $0 }.min() } }
        if position == 0 { break }
        position -= 1
        let scalar = path[position]
        try budget.spend(nodes.count)
        nodes = nodes.flatMap { node in
          [children[Self.edge(node, scalar)], scalar == newline ? nil : children[Self.edge(node, Self.wildcard)]]
            .compactMap { $0 }
        }
        if nodes.isEmpty { break }
      }
    }
    return best
  }
}
