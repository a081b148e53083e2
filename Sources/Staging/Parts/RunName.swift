/// The name of the file that says who began a part: `3-of-16-TOKEN.json`.
struct RunName: Equatable {
  let index: Int
  let count: Int
  /// The token of the process.
  let token: String

  init(index: Int, count: Int, token: String) {
    self.index = index
    self.count = count
    self.token = token
  }

  /// Parses a ``text``; nil for anything else.
  init?(_ text: String) {
    guard text.hasSuffix(".json") else { return nil }
    let fields = text.dropLast(".json".count).split(separator: "-", omittingEmptySubsequences: false)
    guard fields.count == 4, fields[1] == "of", let index = Int(fields[0]), let count = Int(fields[2]) else {
      return nil
    }
    self.init(index: index, count: count, token: String(fields[3]))
  }

  var text: String { "\(index)-of-\(count)-\(token).json" }
}
