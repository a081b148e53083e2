import JSONText

/// A JSON Schema (2020-12) of the keywords that this project's schemas use; any other is an error, so that none is passed
/// over in silence.
package struct JSONSchema {
  package struct UnknownKeyword: Error { package let keyword: String }

  private let root: JSONValue
  private static let keywords: Set<String> = [
    "$schema", "title", "description", "$defs", "$ref", "oneOf", "type", "const", "enum", "properties", "required",
    "additionalProperties", "items", "minItems", "minimum", "pattern",
  ]

  package init(path: String) throws {
    let text = try contents(path)
    root = try JSONParser.parse(text.span)
    try Self.check(root)
  }

  /// The names of the definitions.
  package var definitions: [String] { Self.members(root["$defs"]).map(\.key) }

  /// The same with a definition as the whole.
  package func definition(_ name: String) -> JSONValue? { root["$defs"]?[name] }

  private static func members(_ value: JSONValue?) -> [JSONMember] {
    if case .object(let members)? = value { members } else { [] }
  }

  private static func elements(_ value: JSONValue?) -> [JSONValue] {
    if case .array(let elements)? = value { elements } else { [] }
  }

  private static func check(_ schema: JSONValue) throws {
    for member in members(schema) {
      guard keywords.contains(member.key) else { throw UnknownKeyword(keyword: member.key) }
      switch member.key {
      case "$defs", "properties": for child in members(member.value) { try check(child.value) }
      case "items": try check(member.value)
      case "oneOf": for child in elements(member.value) { try check(child) }
      default: break
      }
    }
  }

  /// What is wrong with the value, each with the place; empty: it is valid.
  package func problems(_ value: JSONValue) -> [String] { problems(value, root, at: "$") }

  private func problems(_ value: JSONValue, _ schema: JSONValue, at place: String) -> [String] {
    var found: [String] = []
    for member in Self.members(schema) {
      switch (member.key, member.value) {
      case ("$ref", .string(let reference)):
        guard reference.hasPrefix("#/$defs/"), let target = definition(String(reference.dropFirst(8))) else {
          found.append("\(place): no \(reference)")
          continue
        }
        found += problems(value, target, at: place)
      case ("oneOf", .array(let choices)):
        let results = choices.map { problems(value, $0, at: place) }
        let valid = results.count { $0.isEmpty }
        if valid != 1 {
          found.append("\(place): \(valid) of \(choices.count) choices fit; nearest: \(Self.nearest(results))")
        }
      case ("type", let types):
        let names = Self.elements(types).isEmpty ? [types] : Self.elements(types)
        if !names.contains(where: { Self.is(value, $0) }) { found.append("\(place): is \(value.kindName)") }
      case ("const", let expected): if value != expected { found.append("\(place): is \(value)") }
      case ("enum", .array(let choices)): if !choices.contains(value) { found.append("\(place): is \(value)") }
      case ("required", .array(let names)):
        for case .string(let name) in names where value[name] == nil { found.append("\(place): has no \(name)") }
      case ("properties", .object(let properties)):
        for property in properties {
          guard let child = value[property.key] else { continue }
          found += problems(child, property.value, at: "\(place).\(property.key)")
        }
      case ("additionalProperties", .bool(false)):
        for child in Self.members(value) where schema["properties"]?[child.key] == nil {
          found.append("\(place): has \(child.key)")
        }
      case ("items", let items):
        for (number, child) in Self.elements(value).enumerated() {
          found += problems(child, items, at: "\(place)[\(number)]")
        }
      case ("minItems", .integer(let least)):
        if case .array(let elements) = value, elements.count < least { found.append("\(place): is too short") }
      case ("minimum", .integer(let least)):
        switch value {
        case .integer(let number) where number < least: found.append("\(place): is \(number)")
        case .real(let number) where number < Double(least): found.append("\(place): is \(number)")
        default: break
        }
      case ("pattern", .string(let pattern)):
        guard case .string(let text) = value else { continue }
        guard let regex = try? Regex(pattern), text.firstMatch(of: regex) != nil else {
          found.append("\(place): \(text) does not match \(pattern)")
          continue
        }
      case ("$schema", _), ("title", _), ("description", _), ("$defs", _): break
      default: found.append("\(place): \(member.key) has \(member.value.kindName)")
      }
    }
    return found
  }

  private static func nearest(_ results: [[String]]) -> String {
    results.min { $0.count < $1.count }?.joined(separator: "; ") ?? ""
  }

  private static func `is`(_ value: JSONValue, _ type: JSONValue) -> Bool {
    guard case .string(let name) = type else { return false }
    switch (name, value) {
    case ("null", .null), ("boolean", .bool), ("integer", .integer), ("number", .integer), ("number", .real),
      ("string", .string), ("array", .array), ("object", .object):
      return true
    default: return false
    }
  }
}
