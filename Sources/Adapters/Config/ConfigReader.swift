import JSONText

/// Takes typed values from the members of adapter_config.json.
struct ConfigReader {
  let json: JSONValue
  let path: String
  /// The factor of the updates, where another trainer's config states it.
  var statedScaling: Double?

  func failure(_ field: String, expected: String, _ found: JSONValue) -> AdapterError {
    AdapterError(path: path, .fieldType(field, expected: expected, found: found.summary))
  }

  /// A boolean; null and a missing field count as false, as in Python.
  func bool(_ field: String) throws(AdapterError) -> Bool {
    switch json[field] {
    case nil, .null: return false
    case .bool(let value): return value
    case .some(let other): throw failure(field, expected: "true or false", other)
    }
  }

  /// A boolean that PEFT takes for this where the field is missing.
  func bool(_ field: String, default missing: Bool) throws(AdapterError) -> Bool {
    json[field] == nil ? missing : try bool(field)
  }

  func string(_ field: String) throws(AdapterError) -> String? {
    switch json[field] {
    case nil, .null: return nil
    case .string(let value): return value
    case .some(let other): throw failure(field, expected: "a string", other)
    }
  }

  func rank(_ field: String) throws(AdapterError) -> Int? {
    guard let value = json[field] else { return nil }
    guard let rank = Self.rank(value) else { throw failure(field, expected: "an integer of at least 1", value) }
    return rank
  }

  func number(_ field: String) throws(AdapterError) -> Double? {
    guard let value = json[field] else { return nil }
    guard let number = Self.number(value) else { throw failure(field, expected: "a finite number", value) }
    return number
  }

  func patterns<Value>(
    _ field: String, _ expected: String, _ convert: (JSONValue) -> Value?
  ) throws(AdapterError) -> PatternTable<Value> {
    var entries: [(key: String, value: Value)] = []
    switch json[field] {
    case nil, .null: break
    case .object(let members):
      for member in members {
        guard let value = convert(member.value) else {
          throw failure("\(field)\"[\"\(member.key)\"]", expected: expected, member.value)
        }
        entries.append((member.key, value))
      }
    case .some(let other): throw failure(field, expected: "an object", other)
    }
    do throws(PatternTable<Value>.Failure) {
      return try PatternTable(entries)
    } catch {
      throw AdapterError(path: path, .pattern(field: field, key: error.key, error.problem))
    }
  }

  /// A list of strings; null and a missing field count as empty.
  func strings(_ field: String) throws(AdapterError) -> [String] {
    try list(field, json[field], expected: "a list of strings") { value in
      if case .string(let string) = value { string } else { nil }
    }
  }

  /// A list whose elements `convert` takes; null and a missing value count as empty.
  func list<Element>(
    _ field: String, _ value: JSONValue?, expected: String, _ convert: (JSONValue) -> Element?
  ) throws(AdapterError) -> [Element] {
    switch value {
    case nil, .null: return []
    case .array(let values):
      var elements: [Element] = []
      for value in values {
        guard let element = convert(value) else { throw failure(field, expected: expected, value) }
        elements.append(element)
      }
      return elements
    case .some(let other): throw failure(field, expected: expected, other)
    }
  }

  /// A count or an index: an integer that is not negative.
  static func natural(_ value: JSONValue) -> Int? {
    guard case .integer(let integer) = value, integer >= 0 else { return nil }
    return Int(exactly: integer)
  }

  static func rank(_ value: JSONValue) -> Int? {
    guard case .integer(let integer) = value, integer >= 1 else { return nil }
    return Int(exactly: integer)
  }

  static func number(_ value: JSONValue) -> Double? {
    switch value {
    case .integer(let integer): Double(integer)
    case .real(let real) where real.isFinite: real
    default: nil
    }
  }
}

extension JSONValue {
  /// The value as one line of a message shows it; arrays and objects by their length.
  var summary: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .real(let value): "\(value)"
    case .string(let value):
      value.unicodeScalars.count <= 80
        ? "\"\(value)\"" : "\"\(String(String.UnicodeScalarView(value.unicodeScalars.prefix(80))))...\""
    case .array(let elements): "an array of \(elements.count)"
    case .object(let members): "an object of \(members.count)"
    }
  }
}
