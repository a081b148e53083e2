import JSONText

/// What of a comparison is needed for findings, tables and totals. What only a verdict is made of is not recorded.
extension TensorComparison {
  private static let counts: [(key: String, path: WritableKeyPath<TensorComparison, Int> & Sendable)] = [
    ("elements", \.elementCount), ("misrounded", \.otherwiseRounded), ("cancelled", \.cancelled),
    ("beyond_bound", \.beyondBound), ("beyond_one_ulp", \.beyondOneUlp),
  ]

  /// The comparison as a part of a check records it. Numbers that are not whole are texts, because JSON has no NaN.
  var recorded: JSONValue {
    var members = Self.counts.map { JSONMember(key: $0.key, value: .integer(Int64(self[keyPath: $0.path]))) }
    members.append(JSONMember(key: "worst", value: .string("\(worstError)")))
    if let otherBits { members.append(JSONMember(key: "other_bits", value: .integer(Int64(otherBits)))) }
    if let example {
      members.append(
        JSONMember(
          key: "example",
          value: .array([
            .integer(Int64(example.row)), .integer(Int64(example.column)), .string("\(example.found)"),
            .string("\(example.exact)"),
          ])))
    }
    return .object(members)
  }

  /// Parses what ``recorded`` returned; nil for anything else.
  init?(recorded value: JSONValue) {
    self.init()
    for (key, path) in Self.counts {
      guard case .integer(let count)? = value[key] else { return nil }
      self[keyPath: path] = Int(count)
    }
    guard case .string(let worst)? = value["worst"], let worst = Double(worst) else { return nil }
    worstError = worst
    if case .integer(let count)? = value["other_bits"] { otherBits = Int(count) } else { otherBits = nil }
    guard let recorded = value["example"] else { return }
    guard case .array(let parts) = recorded, parts.count == 4, case .integer(let row) = parts[0],
      case .integer(let column) = parts[1], case .string(let found) = parts[2], case .string(let exact) = parts[3],
      let found = Double(found), let exact = Double(exact)
    else { return nil }
    example = Example(row: Int(row), column: Int(column), found: found, exact: exact)
  }
}
