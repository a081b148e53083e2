import JSONText

extension MergeCheck.TensorResult {
  /// The verdict as a part of a check records it.
  var recorded: JSONValue {
    var members = [JSONMember(key: "verdict", value: .array(verdict.recorded))]
    if let other = verdictWithoutBits {
      members.append(JSONMember(key: "without_bits", value: .array(other.recorded)))
    }
    if let comparison { members.append(JSONMember(key: "comparison", value: comparison.recorded)) }
    return .object(members)
  }

  /// Takes over what ``recorded`` returned; false for anything else.
  mutating func take(_ value: JSONValue) -> Bool {
    guard let verdict = MergeCheck.Verdict(recorded: value["verdict"]) else { return false }
    self.verdict = verdict
    if let other = value["without_bits"] {
      guard let other = MergeCheck.Verdict(recorded: other) else { return false }
      verdictWithoutBits = other
    }
    if let recorded = value["comparison"] {
      guard let comparison = TensorComparison(recorded: recorded) else { return false }
      self.comparison = comparison
    }
    return true
  }
}

extension MergeCheck.Verdict {
  /// Its name, and what it says more.
  fileprivate var recorded: [JSONValue] {
    switch self {
    case .same: [.string("same")]
    case .exact: [.string("exact")]
    case .rounded: [.string("rounded")]
    case .roundedByPEFT(let how): [.string("peft"), .string(how)]
    case .roundedSeveralTimes: [.string("several-times")]
    case .fault(.adapterDropped(let number)): [.string("adapter-dropped"), .integer(Int64(number))]
    case .fault(let fault): [.string("fault"), .string("\(fault)")]
    case .damaged(let count): [.string("damaged"), .integer(Int64(count))]
    case .different: [.string("different")]
    case .notChecked(let why): [.string("not-checked"), .string(why)]
    }
  }

  fileprivate init?(recorded value: JSONValue?) {
    guard case .array(let parts)? = value, case .string(let name)? = parts.first else { return nil }
    var (text, number): (String?, Int?)
    switch parts.dropFirst().first {
    case .string(let found): text = found
    case .integer(let found): number = Int(exactly: found)
    default: break
    }
    switch (name, text, number) {
    case ("same", _, _): self = .same
    case ("exact", _, _): self = .exact
    case ("rounded", _, _): self = .rounded
    case ("several-times", _, _): self = .roundedSeveralTimes
    case ("different", _, _): self = .different
    case ("peft", let how?, _): self = .roundedByPEFT(how)
    case ("not-checked", let why?, _): self = .notChecked(why)
    case ("damaged", _, let count?): self = .damaged(count: count)
    case ("adapter-dropped", _, let number?): self = .fault(.adapterDropped(number))
    case ("fault", let name?, _):
      guard let fault = Fault.withoutNumber.first(where: { "\($0)" == name }) else { return nil }
      self = .fault(fault)
    default: return nil
    }
  }
}
