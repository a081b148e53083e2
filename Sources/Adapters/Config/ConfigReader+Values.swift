import JSONText

/// Fields that have a shape of their own.
extension ConfigReader {
  /// One of a few strings; null and a missing field count as nil.
  func choice<Choice: RawRepresentable<String> & Choices>(_ field: String) throws(AdapterError) -> Choice? {
    switch json[field] {
    case nil, .null: return nil
    case .string(let value):
      if let choice = Choice(rawValue: value) { return choice }
      throw failure(field, expected: Choice.list, .string(value))
    case .some(let other): throw failure(field, expected: Choice.list, other)
    }
  }

  /// `bias`, with the value that a tuner has for the biases of its own modules.
  func bias(of tuner: any Tuner.Type) throws(AdapterError) -> AdapterConfig.Bias {
    if case .string(tuner.ownBiases)? = json["bias"] { return .loraOnly }
    guard tuner.ownBiases != AdapterConfig.Bias.loraOnly.rawValue, let value = json["bias"] else {
      return try choice("bias") ?? .none
    }
    if [.null, .string("none")].contains(value) { return .none }
    if value == .string("all") { return .all }
    throw failure("bias", expected: "\"none\", \"all\" or \"\(tuner.ownBiases)\"", value)
  }

  /// A seed of random numbers.
  func seed(_ field: String, default missing: Int64) throws(AdapterError) -> Int64 {
    switch json[field] {
    case nil: return missing
    case .integer(let value): return value
    case .some(let other): throw failure(field, expected: "an integer", other)
    }
  }

  func tokenIndices(_ field: String) throws(AdapterError) -> AdapterConfig.TokenIndices? {
    switch json[field] {
    case nil, .null: return nil
    case .object(let members):
      var modules: [(name: String, indices: [Int])] = []
      for member in members {
        modules.append((member.key, try tokens("\(field)\"[\"\(member.key)\"]", member.value)))
      }
      return modules.isEmpty ? nil : .modules(modules)
    case .some(let value):
      let indices = try tokens(field, value)
      return indices.isEmpty ? nil : .inputEmbedding(indices)
    }
  }

  private func tokens(_ field: String, _ value: JSONValue) throws(AdapterError) -> [Int] {
    let indices = try list(field, value, expected: "a list of token ids", Self.natural)
    var seen: Set<Int> = []
    for index in indices where !seen.insert(index).inserted {
      throw failure(field, expected: "every token once", .integer(Int64(index)))
    }
    return indices
  }

  func ranges(_ field: String) throws(AdapterError) -> [Range<Int>]? {
    let expected = "a list of pairs [start, end) with start below end"
    let ranges = try list(field, json[field], expected: expected) { value -> Range<Int>? in
      guard case .array(let ends) = value, ends.count == 2, let start = Self.natural(ends[0]),
        let end = Self.natural(ends[1]), start < end
      else { return nil }
      return start..<end
    }
    return ranges.isEmpty ? nil : ranges
  }
}

/// A field's allowed strings, as an error lists them.
protocol Choices {
  static var list: String { get }
}

extension AdapterConfig.Bias: Choices {
  static var list: String { "\"none\", \"all\" or \"lora_only\"" }
}
