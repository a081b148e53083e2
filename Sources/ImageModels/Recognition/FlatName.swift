/// A module's name in the form in which one with dots and one with underscores are the same.
///
/// It serves to recognize an architecture by the names in an adapter, where there is no base. Where there is one, names are looked up
/// as they are.
struct FlatName: Sendable {
  /// With an underscore for each dot.
  let exact: String
  /// The same with `#` in the place of each number, so that it is that of every block.
  let numberless: String

  init(_ name: String) { (exact, numberless) = (Self.exact(name), Self.numberless(name)) }

  static func exact(_ name: some StringProtocol) -> String {
    String(decoding: name.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
  }

  static func numberless(_ name: some StringProtocol) -> String {
    var result: [UInt8] = []
    result.reserveCapacity(name.utf8.count)
    var start = 0
    func isNumber(_ word: ArraySlice<UInt8>) -> Bool {
      !word.isEmpty && word.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    }
    for byte in name.utf8 {
      guard byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") else {
        result.append(byte)
        continue
      }
      if isNumber(result[start...]) { result.replaceSubrange(start..., with: [UInt8(ascii: "#")]) }
      result.append(UInt8(ascii: "_"))
      start = result.count
    }
    if isNumber(result[start...]) { result.replaceSubrange(start..., with: [UInt8(ascii: "#")]) }
    return String(decoding: result, as: UTF8.self)
  }
}
