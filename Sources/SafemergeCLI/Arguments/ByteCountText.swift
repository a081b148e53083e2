/// A number of bytes with its unit, as typed.
struct ByteCountText {
  private let number: Double
  private let unit: String
  private let example: String

  /// - Parameter example: For the hint of an error.
  init(_ text: String, example: String) throws {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let number = Double(digits), number > 0 else {
      throw InvalidValue("expected a size above 0", hint: "for example \(example)")
    }
    self.number = number
    self.example = example
    unit = String(text.dropFirst(digits.count))
    if unit.isEmpty { throw InvalidValue("the unit is missing", hint: "for example \(example)") }
  }

  /// - Parameter base: The factor of K; that of Ki is 1024.
  func byteCount(base: Int) throws -> Int {
    let name = unit.lowercased()
    guard let power = Self.power(name) else {
      throw InvalidValue("unknown unit \"\(unit)\"", hint: "for example \(example)")
    }
    let factor = name.hasSuffix("ib") ? 1024 : Double(base)
    let bytes = (0..<power).reduce(number) { product, _ in product * factor }
    guard bytes >= 1, bytes < 0x1p62 else {
      throw InvalidValue(bytes < 1 ? "less than a byte" : "more than 4 EiB", hint: "for example \(example)")
    }
    return Int(bytes)
  }

  /// The power of a unit such as `b`, `k`, `mb` or `gib`.
  private static func power(_ unit: String) -> Int? {
    if unit == "b" { return 0 }
    guard ["", "b", "ib"].contains(unit.dropFirst()) else { return nil }
    return ["k", "m", "g", "t"].firstIndex(of: unit.prefix(1)).map { $0 + 1 }
  }
}
