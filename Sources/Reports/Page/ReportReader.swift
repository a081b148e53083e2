import JSONText

/// An object of a report whose members are taken with checks.
struct ReportReader {
  let path: String
  let value: JSONValue
  /// Its path, such as `tensors[3]`; empty for the report itself.
  let place: String

  /// The error for an unexpected value of a member; `found` is nil if the member is missing.
  func error(_ expected: String, _ found: JSONValue?, key: String = "") -> ReportError {
    ReportError(
      path: path, .kind(place: self.place(of: key), expected: expected, found: found?.kindName ?? "missing"))
  }

  private func place(of key: String) -> String { place.isEmpty || key.isEmpty ? place + key : "\(place).\(key)" }

  func text(_ key: String) throws(ReportError) -> String {
    guard case .string(let text)? = value[key] else { throw error("a string", value[key], key: key) }
    return text
  }

  /// Nil for null and for a missing member.
  func optionalText(_ key: String) throws(ReportError) -> String? {
    switch value[key] {
    case nil, .null: nil
    default: try text(key)
    }
  }

  func integer(_ key: String) throws(ReportError) -> Int {
    guard case .integer(let number)? = value[key] else { throw error("an integer", value[key], key: key) }
    return Int(number)
  }

  /// - Parameter limit: The exclusive upper bound of the number.
  func natural(_ key: String, below limit: Int = .max) throws(ReportError) -> Int {
    guard case .integer(let number)? = value[key], number >= 0, number < limit else {
      throw error("a natural number" + (limit < .max ? " below \(limit)" : ""), value[key], key: key)
    }
    return Int(number)
  }

  func optionalNatural(_ key: String) throws(ReportError) -> Int? {
    if case .null? = value[key] { nil } else { try natural(key) }
  }

  func number(_ key: String) throws(ReportError) -> Double {
    switch value[key] {
    case .real(let number): return number
    case .integer(let number): return Double(number)
    default: throw error("a number", value[key], key: key)
    }
  }

  func optionalNumber(_ key: String) throws(ReportError) -> Double? {
    if case .null? = value[key] { nil } else { try number(key) }
  }

  func naturals(_ key: String, below limit: Int = .max) throws(ReportError) -> [Int] {
    guard case .array(let elements)? = value[key] else { throw error("an array", value[key], key: key) }
    var numbers: [Int] = []
    for element in elements {
      guard case .integer(let number) = element, number >= 0, number < limit else {
        throw error("natural numbers" + (limit < .max ? " below \(limit)" : ""), element, key: key)
      }
      numbers.append(Int(number))
    }
    return numbers
  }

  func optionalNaturals(_ key: String) throws(ReportError) -> [Int]? {
    value[key] == nil ? nil : try naturals(key)
  }

  func lines(_ key: String) throws(ReportError) -> [String] {
    guard case .array(let elements)? = value[key] else { throw error("an array", value[key], key: key) }
    var lines: [String] = []
    for element in elements {
      guard case .string(let line) = element else { throw error("strings", element, key: key) }
      lines.append(line)
    }
    return lines
  }

  func object(_ key: String) throws(ReportError) -> ReportReader {
    guard case .object? = value[key] else { throw error("an object", value[key], key: key) }
    return ReportReader(path: path, value: value[key] ?? .null, place: place(of: key))
  }

  /// Nil if there is no member.
  func optional(_ key: String) throws(ReportError) -> ReportReader? {
    value[key] == nil ? nil : try object(key)
  }

  /// The members of an object of strings.
  func texts(_ key: String) throws(ReportError) -> [(key: String, value: String)] {
    guard case .object(let members)? = value[key] else { throw error("an object", value[key], key: key) }
    var texts: [(key: String, value: String)] = []
    for member in members {
      guard case .string(let text) = member.value else { throw error("an object of strings", member.value, key: key) }
      texts.append((member.key, text))
    }
    return texts
  }

  /// The elements of an array of objects.
  func list<Element>(
    _ key: String, _ element: (ReportReader) throws(ReportError) -> Element
  ) throws(ReportError) -> [Element] {
    guard case .array(let elements)? = value[key] else { throw error("an array", value[key], key: key) }
    var list: [Element] = []
    list.reserveCapacity(elements.count)
    for (number, value) in elements.enumerated() {
      let place = "\(place(of: key))[\(number)]"
      guard case .object = value else {
        throw ReportError(path: path, .kind(place: place, expected: "an object", found: value.kindName))
      }
      list.append(try element(ReportReader(path: path, value: value, place: place)))
    }
    return list
  }

  /// The elements of an array of objects, none where the member is missing.
  func optionalList<Element>(
    _ key: String, _ element: (ReportReader) throws(ReportError) -> Element
  ) throws(ReportError) -> [Element] {
    value[key] == nil ? [] : try list(key, element)
  }

  func figures() throws(ReportError) -> ReportDocument.Figures {
    ReportDocument.Figures(
      elementCount: try natural("elements"), changedCount: try natural("changed_elements"),
      deltaNorm: try number("delta_norm"), baseNorm: try number("base_norm"),
      deltaToBase: try optionalNumber("delta_to_base"), roundingLoss: try optionalNumber("rounding_loss"))
  }
}
