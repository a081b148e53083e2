import JSONText

/// The fields that have a shape of their own.
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

  func blockDiagonal(_ field: String) throws(AdapterError) -> AdapterConfig.BlockDiagonalRule? {
    switch json[field] {
    case nil, .null, .bool(false): return nil
    case .object(let members):
      let known = ["target_modules_bd_a", "target_modules_bd_b", "nblocks", "match_strict"]
      for member in members where !known.contains(member.key) && member.value != .null {
        throw AdapterError(
          path: path, .unknownField("\(field)\"[\"\(member.key)\"]", value: member.value.summary))
      }
      let inner = ConfigReader(json: .object(members), path: path)
      return AdapterConfig.BlockDiagonalRule(
        modulesA: try inner.strings("target_modules_bd_a"), modulesB: try inner.strings("target_modules_bd_b"),
        blocks: try inner.rank("nblocks") ?? 1,
        isStrict: json[field]?["match_strict"] == nil ? true : try inner.bool("match_strict"))
    case .some(let other): throw failure(field, expected: "an object", other)
    }
  }

  /// The variants that have a config of their own and merge as plain LoRA.
  func variants() throws(AdapterError) -> Set<AdapterKey.Variant> {
    var variants: Set<AdapterKey.Variant> = []
    if try isConfigured("velora_config") { variants.insert(.velora) }
    if try isConfigured("monteclora_config") { variants.insert(.monteclora) }
    return variants
  }

  /// Whether a variant has a config of its own, be it an empty one.
  func isConfigured(_ field: String) throws(AdapterError) -> Bool {
    switch json[field] {
    case nil, .null, .bool(false): return false
    case .object: return true
    case .some(let other): throw failure(field, expected: "an object", other)
    }
  }
}

/// A field's allowed strings, as an error lists them.
protocol Choices {
  static var list: String { get }
}

extension AdapterConfig.Bias: Choices {
  static var list: String { "\"none\", \"all\" or \"lora_only\"" }
}

extension ExpertLayout: Choices {
  static var list: String { "\"rank_major\" or \"grouped_by_expert\"" }
}
