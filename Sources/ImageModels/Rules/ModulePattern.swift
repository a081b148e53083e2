/// A dotted name of a module or parameter in which `{i}` stands for any whole number between two dots.
///
/// Names are compared by a key, in which every segment that is a number is `#`, and by their numbers, so that a table is
/// searched by one look-up.
struct ModulePattern: Sendable {
  /// The key of all names that may match.
  let key: String
  /// The numbers of a matching name, in their order; nil: any.
  private let numbers: [Int?]
  /// The text between the placeholders, one more than there are placeholders.
  private let texts: [String]

  init(_ text: String) {
    var numbers: [Int?] = []
    var texts = [""]
    var key = ""
    for (position, segment) in text.split(separator: ".", omittingEmptySubsequences: false).enumerated() {
      if position > 0 {
        key += "."
        texts[texts.count - 1] += "."
      }
      if segment.hasPrefix("{"), segment.hasSuffix("}") {
        numbers.append(nil)
        key += "#"
        texts.append("")
      } else {
        texts[texts.count - 1] += segment
        if let number = Int(segment), Self.isNumber(segment.utf8) {
          numbers.append(number)
          key += "#"
        } else {
          key += segment
        }
      }
    }
    self.key = key
    self.numbers = numbers
    self.texts = texts
  }

  /// The values of the placeholders if a name with the same key has these numbers; nil: it does not match.
  func values(of found: [Int]) -> [Int]? {
    guard found.count == numbers.count else { return nil }
    var values: [Int] = []
    for (number, wanted) in zip(found, numbers) {
      if let wanted {
        guard number == wanted else { return nil }
      } else {
        values.append(number)
      }
    }
    return values
  }

  /// The name with these values in the place of the placeholders.
  func name(_ values: [Int]) -> String {
    var name = texts[0]
    for (value, text) in zip(values, texts.dropFirst()) {
      name += String(value)
      name += text
    }
    return name
  }

  /// The key of a name, and the numbers in it.
  static func key(of name: Substring) -> (key: String, numbers: [Int]) {
    var numbers: [Int] = []
    var key: [UInt8] = []
    key.reserveCapacity(name.utf8.count)
    for (position, segment) in name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      .enumerated()
    {
      if position > 0 { key.append(UInt8(ascii: ".")) }
      if isNumber(segment) {
        numbers.append(segment.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) })
        key.append(UInt8(ascii: "#"))
      } else {
        key.append(contentsOf: segment)
      }
    }
    return (String(decoding: key, as: UTF8.self), numbers)
  }

  /// Whether a segment is a number as modules of a list have it: up to six digits and no leading zero.
  private static func isNumber(_ segment: Substring.UTF8View) -> Bool {
    guard (1...6).contains(segment.count), segment.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else {
      return false
    }
    return segment.count == 1 || segment.first != UInt8(ascii: "0")
  }
}
