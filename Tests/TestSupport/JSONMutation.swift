import JSONText

/// A JSON text as a tree that can hold what no parser returns: raw tokens, and keys that stand twice.
package indirect enum JSONSketch {
  case token(String)
  case array([JSONSketch])
  case object([(key: String, value: JSONSketch)])

  /// The tree of a text.
  package init(_ value: JSONValue) {
    switch value {
    case .array(let elements): self = .array(elements.map(JSONSketch.init))
    case .object(let members):
      self = .object(members.map { (Self.text(.string($0.key)), JSONSketch($0.value)) })
    default: self = .token(Self.text(value))
    }
  }

  private static func text(_ value: JSONValue) -> String {
    var writer = JSONWriter()
    writer.value(value)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  package var text: String {
    switch self {
    case .token(let token): token
    case .array(let elements): "[" + elements.map(\.text).joined(separator: ",") + "]"
    case .object(let members): "{" + members.map { $0.key + ":" + $0.value.text }.joined(separator: ",") + "}"
    }
  }

  /// Keys in quotes that mean something somewhere, and some that are odd.
  private static let keys = [
    "a", "", "__metadata__", "dtype", "shape", "data_offsets", "weight_map", "metadata", "r", "lora_alpha", "peft_type",
    "rank_pattern", "use_bdlora", "layer_replication", #"\u0061"#, #"\u0000"#, "\u{e9}", "e\u{301}", #"\ud800"#,
  ].map { "\"\($0)\"" }

  private static let tokens = [
    "0", "1", "2", "8", "-0", "-1", "2.0", "1e0", "1e400", "1e-400", "9223372036854775807", "9223372036854775808",
    "18446744073709551615", "18446744073709551616", "4611686018427387904", "1099511627776", "01", "null", "true",
    "false",
    "NaN", "Infinity", "nul", "[]", "{}", "[[]]", "[1,]", #""""#, #""a""#, #""F32""#, #""F4""#, #""LORA""#,
    #""\u0000""#,
    #""\ud800""#, #""\x""#, "\"\t\"", #""../x.safetensors""#, #""/x.safetensors""#, #""(a*)*b""#, #""(""#, "'a'",
  ]

  /// The tree with one place changed: another type or number, a member more, less, twice, renamed, moved or wrapped.
  package func mutated(using generator: inout some RandomNumberGenerator) -> JSONSketch {
    switch self {
    case .array(var elements) where !elements.isEmpty && Int.random(in: 0..<8, using: &generator) > 0:
      let index = Int.random(in: elements.indices, using: &generator)
      switch Int.random(in: 0..<10, using: &generator) {
      case 0: elements.remove(at: index)
      case 1: elements.insert(elements[index], at: index)
      case 2: elements.swapAt(index, Int.random(in: elements.indices, using: &generator))
      default: elements[index] = elements[index].mutated(using: &generator)
      }
      return .array(elements)
    case .object(var members) where !members.isEmpty && Int.random(in: 0..<8, using: &generator) > 0:
      let index = Int.random(in: members.indices, using: &generator)
      switch Int.random(in: 0..<10, using: &generator) {
      case 0: members.remove(at: index)
      case 1: members.insert(members[index], at: Int.random(in: members.indices, using: &generator))
      case 2: members.swapAt(index, Int.random(in: members.indices, using: &generator))
      case 3: members[index].key = Self.keys.randomElement(using: &generator) ?? "\"\""
      case 4: members.append((Self.keys.randomElement(using: &generator) ?? "\"\"", Self.anyToken(&generator)))
      default: members[index].value = members[index].value.mutated(using: &generator)
      }
      return .object(members)
    default:
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: return .array([self])
      case 1: return .object([("\"a\"", self)])
      case 2:
        guard case .token(let token) = self, let number = Int(token) else { return Self.anyToken(&generator) }
        return .token(String(number &+ Int.random(in: -8...8, using: &generator)))
      default: return Self.anyToken(&generator)
      }
    }
  }

  private static func anyToken(_ generator: inout some RandomNumberGenerator) -> JSONSketch {
    .token(tokens.randomElement(using: &generator) ?? "0")
  }

  /// The bytes of a tree that was changed in one to three places and, now and then, cut or given a foreign byte.
  package func mutatedBytes(using generator: inout some RandomNumberGenerator) -> [UInt8] {
    var sketch = self
    for _ in 0..<Int.random(in: 1...3, using: &generator) { sketch = sketch.mutated(using: &generator) }
    var bytes = Array(sketch.text.utf8)
    guard !bytes.isEmpty else { return bytes }
    switch Int.random(in: 0..<20, using: &generator) {
    case 0: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
    case 1: bytes[Int.random(in: bytes.indices, using: &generator)] = .random(in: 0 ... .max, using: &generator)
    case 2:
      bytes.insert(.random(in: 0 ... .max, using: &generator), at: Int.random(in: bytes.indices, using: &generator))
    case 3: bytes.append(contentsOf: [[0x20], [0x0A], [0], [0x7B, 0x7D]].randomElement(using: &generator) ?? [])
    default: break
    }
    return bytes
  }
}
