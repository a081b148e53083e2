/// Which rows of a native parameter are the diffusers parameter, as a table of names says it.
enum RowCut: Sendable {
  /// All of them: only the name differs.
  case whole
  /// `k/n`: the k-th of n equal blocks of rows.
  case part(Int, of: Int)
  /// `hA:B` and `hA:`: rows A·h to B·h or to the end, where h is the model's hidden size.
  case hidden(Int, Int?)
  /// `q@NAME`, `k@NAME`, `v@NAME`: the block of queries, keys or values where NAME is the module that has as many rows as
  /// there are queries. Keys and values share the rest, so grouped queries may be more.
  case grouped(Int, by: ModulePattern)
  /// `swap`: both halves, exchanged. Native modulations are stored as shift and scale, those of diffusers as scale and shift.
  case swapped
  /// `swap-last`: exchanged in the last block only.
  case swappedInLast
  /// `last`: all of them, but only the last block has the parameter under this name.
  case wholeInLast
  /// `not-last`: all of them, but the last block has the parameter under another name.
  case wholeBeforeLast
  /// `T`: rows and columns exchanged.
  case transposed
  /// `1x1`: the native kernel of one element is a matrix.
  case withoutKernel

  /// Reads the last column of a table's line; nil: it is no cut.
  init?(_ text: Substring) {
    if text == "swap" {
      self = .swapped
    } else if text == "swap-last" {
      self = .swappedInLast
    } else if text == "last" {
      self = .wholeInLast
    } else if text == "not-last" {
      self = .wholeBeforeLast
    } else if text == "T" {
      self = .transposed
    } else if text == "1x1" {
      self = .withoutKernel
    } else if let slash = text.firstIndex(of: "/"), let part = Int(text[..<slash]),
      let count = Int(text[text.index(after: slash)...])
    {
      self = .part(part, of: count)
    } else if text.hasPrefix("h"), let colon = text.firstIndex(of: ":"), let first = Int(text[..<colon].dropFirst()) {
      self = .hidden(first, Int(text[text.index(after: colon)...]))
    } else if text.dropFirst().first == "@", let letter = text.first, let block = "qkv".firstIndex(of: letter) {
      self = .grouped("qkv".distance(from: "qkv".startIndex, to: block), by: ModulePattern(String(text.dropFirst(2))))
    } else {
      return nil
    }
  }
}
