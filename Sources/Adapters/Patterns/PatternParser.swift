/// Reads a pattern of Python's `re` into a tree.
///
/// The syntax and what is refused are those of CPython 3.11 (`re._parser`) for text patterns without flags. Constructs
/// outside regular languages, inline flags and possessive repetition are refused as unsupported.
struct PatternParser {
  static let depthLimit = 200

  let text: [UInt32]
  var position = 0
  private var depth = 0
  private var groupNames: Set<[UInt32]> = []

  private init(text: [UInt32]) { self.text = text }

  static func parse(_ text: [UInt32]) throws(PatternProblem) -> PatternNode {
    var parser = PatternParser(text: text)
    let node = try parser.alternatives()
    guard parser.position == text.count else { throw .invalid("unbalanced parenthesis") }
    return node
  }

  var next: UInt32? { position < text.count ? text[position] : nil }

  mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard next == scalar.value else { return false }
    position += 1
    return true
  }

  /// Takes at most `limit` code points that satisfy `condition`.
  mutating func take(atMost limit: Int, while condition: (UInt32) -> Bool) -> ArraySlice<UInt32> {
    let start = position
    while position < text.count, position - start < limit, condition(text[position]) { position += 1 }
    return text[start..<position]
  }

  private mutating func alternatives() throws(PatternProblem) -> PatternNode {
    var nodes = [try sequence()]
    while take("|") { nodes.append(try sequence()) }
    return nodes.count == 1 ? nodes[0] : .alternatives(nodes)
  }

  private mutating func sequence() throws(PatternProblem) -> PatternNode {
    var nodes: [PatternNode] = []
    while let scalar = next, scalar != UInt32(ascii: "|"), scalar != UInt32(ascii: ")") {
      position += 1
      switch Unicode.Scalar(scalar) {
      case "\\": nodes.append(try escape())
      case "[": nodes.append(.characterClass(try characterClass()))
      case ".": nodes.append(.any)
      case "^": nodes.append(.assertion(.start))
      case "$": nodes.append(.assertion(.endOrFinalNewline))
      case "(": if let group = try group() { nodes.append(group) }
      case "*": try repeatLast(of: &nodes, 0, nil)
      case "+": try repeatLast(of: &nodes, 1, nil)
      case "?": try repeatLast(of: &nodes, 0, 1)
      case "{":
        if let (minimum, maximum) = try bounds() {
          try repeatLast(of: &nodes, minimum, maximum)
        } else {
          nodes.append(.scalar(scalar))
        }
      default: nodes.append(.scalar(scalar))
      }
    }
    return nodes.count == 1 ? nodes[0] : .sequence(nodes)
  }

  // MARK: Repetition

  private func repeatable(_ nodes: [PatternNode]) throws(PatternProblem) -> PatternNode {
    switch nodes.last {
    case nil, .assertion: throw .invalid("nothing to repeat")
    case .repetition: throw .invalid("multiple repeat")
    case .some(let node): return node
    }
  }

  private mutating func repeatLast(
    of nodes: inout [PatternNode], _ minimum: Int, _ maximum: Int?
  ) throws(PatternProblem) {
    let node = try repeatable(nodes)
    if take("+") { throw .unsupported("possessive repetition is") }
    _ = take("?")
    nodes[nodes.count - 1] = .repetition(node, minimum: minimum, maximum: maximum)
  }

  /// The numbers behind `{`; nil, with nothing taken, where the brace is a literal.
  private mutating func bounds() throws(PatternProblem) -> (minimum: Int, maximum: Int?)? {
    let start = position
    if next == UInt32(ascii: "}") { return nil }
    let low = take(atMost: .max, while: Self.isDigit)
    var high = low
    if take(",") { high = take(atMost: .max, while: Self.isDigit) }
    guard take("}") else {
      position = start
      return nil
    }
    let minimum = low.isEmpty ? 0 : try count(low)
    let maximum = high.isEmpty ? nil : try count(high)
    if let maximum, maximum < minimum { throw .invalid("min repeat greater than max repeat") }
    return (minimum, maximum)
  }

  /// A repetition count; below 2^32 - 1, as in CPython.
  private func count(_ digits: ArraySlice<UInt32>) throws(PatternProblem) -> Int {
    var value = 0
    for digit in digits {
      value = value * 10 + Int(digit - UInt32(ascii: "0"))
      if value >= 0xFFFF_FFFF { throw .invalid("the repetition number is too large") }
    }
    return value
  }

  // MARK: Groups

  /// What follows `(`; nil for a comment.
  private mutating func group() throws(PatternProblem) -> PatternNode? {
    if take("?"), try groupIsComment() { return nil }
    depth += 1
    if depth > Self.depthLimit { throw .tooDeep(limit: Self.depthLimit) }
    let node = try alternatives()
    guard take(")") else { throw .invalid("missing ), unterminated subpattern") }
    depth -= 1
    return .group(node)
  }

  private mutating func groupIsComment() throws(PatternProblem) -> Bool {
    guard let scalar = next else { throw .invalid("unexpected end of pattern") }
    position += 1
    switch Unicode.Scalar(scalar) {
    case ":": return false
    case "#":
      _ = take(atMost: .max) { $0 != UInt32(ascii: ")") }
      guard take(")") else { throw .invalid("missing ), unterminated comment") }
      return true
    case "P":
      if take("<") {
        try groupName()
        return false
      }
      throw take("=") ? .unsupported("backreferences are") : .invalid("unknown extension ?P")
    case "=", "!": throw .unsupported("look-ahead is")
    case "<":
      throw take("=") || take("!") ? .unsupported("look-behind is") : .invalid("unknown extension ?<")
    case "(": throw .unsupported("conditional groups are")
    case ">": throw .unsupported("atomic groups are")
    case "a", "i", "L", "m", "s", "u", "x", "t", "-": throw .unsupported("inline flags are")
    default: throw .invalid("unknown extension ?\(Unicode.Scalar(scalar).map(String.init) ?? "")")
    }
  }

  private mutating func groupName() throws(PatternProblem) {
    let name = Array(take(atMost: .max) { $0 != UInt32(ascii: ">") })
    guard take(">") else { throw .invalid("missing >, unterminated name") }
    let scalars = name.compactMap(Unicode.Scalar.init)
    guard let first = scalars.first else { throw .invalid("missing group name") }
    guard first == "_" || first.properties.isXIDStart, scalars.allSatisfy(\.properties.isXIDContinue) else {
      throw .invalid("bad character in group name")
    }
    guard groupNames.insert(name).inserted else { throw .invalid("redefinition of group name") }
  }

  static func isDigit(_ scalar: UInt32) -> Bool { (0x30...0x39).contains(scalar) }
}
