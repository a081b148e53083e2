/// What a tensor is to the module that a tuner changes, by the end of its key as PEFT writes it.
struct FactorRole: Hashable, Sendable {
  /// Behind the module path's dot, such as `lora_A.weight`.
  let ending: String

  init(_ ending: String) { self.ending = ending }
}

/// One way in which a key ends: a marker, the segments behind it, and where an adapter's name may stand among these.
struct KeyEnding: Sendable {
  /// The segment by which the ending is found, such as `lora_A`.
  let marker: String
  /// What follows, without an adapter's name.
  let rest: [String]
  let role: AdapterKey.Role
  /// Where in `rest` PEFT's state dict has the adapter's name, which saving takes out; nil: nowhere.
  let namePlace: Int?
  /// How the ending differs from what PEFT 0.21.2 writes; nil: it does not.
  let leniency: AdapterKey.Leniency?

  /// A tuner's ending.
  ///
  /// - Parameter ending: As the key has it, such as `lora_A.weight`.
  init(_ ending: String, _ role: FactorRole, name place: Int? = 0, _ leniency: AdapterKey.Leniency? = nil) {
    self.init(ending, .factor(role), name: place, leniency)
  }

  /// The ending of a role as PEFT writes it.
  init(_ role: FactorRole) { self.init(role.ending, role) }

  init(_ ending: String, _ role: AdapterKey.Role, name place: Int? = nil, _ leniency: AdapterKey.Leniency? = nil) {
    let segments = AdapterKey.segments(ending)
    marker = segments[0]
    rest = Array(segments.dropFirst())
    self.role = role
    namePlace = place
    self.leniency = leniency
  }

  /// Whether the segments behind the marker are this ending's; an adapter's name among them is returned.
  func matches(_ found: ArraySlice<String>) -> (isMatch: Bool, adapterName: String?) {
    if found.elementsEqual(rest) { return (true, nil) }
    guard let namePlace, found.count == rest.count + 1 else { return (false, nil) }
    var inner = Array(found)
    let name = inner.remove(at: namePlace)
    return ["weight", "bias"].contains(name) ? (false, nil) : (inner == rest, name)
  }
}
