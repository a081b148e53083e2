import Safetensors

/// Finds the tensors whose names a person may have meant.
package enum NearestNames {
  /// No more names than this are found.
  static let largestAnswer = 3

  /// Names of `candidates` that are most like `name`: those that begin and end as it does over the most bytes, of them
  /// the ones at the smallest edit distance. Only for messages: nothing is ever matched by similarity. The answer does not
  /// depend on the order of `candidates`.
  package static func find(_ name: String, in candidates: some Collection<TensorName>) -> [String] {
    let wanted = name.split(separator: ".")
    guard wanted.count >= 2 else { return [] }
    let bytes = Array(name.utf8)
    func sharedSuffix(_ other: [Substring]) -> Int {
      zip(wanted.reversed(), other.reversed()).prefix { $0 == $1 }.count
    }
    return candidates.map { (name: $0, alike: alikeByteCount($0.string, bytes)) }
      .sorted { ($1.alike, $0.name) < ($0.alike, $1.name) }
      .prefix(200)
      .map { (name: $0.name.string, distance: editDistance($0.name.string, name)) }
      .filter { $0.distance * 3 <= bytes.count || sharedSuffix($0.name.split(separator: ".")) >= 2 }
      .sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }
      .prefix(largestAnswer).map(\.name)
  }

  /// Bytes that two names have in common at their beginnings and at their ends.
  private static func alikeByteCount(_ one: String, _ other: [UInt8]) -> Int {
    var prefix = 0
    for byte in one.utf8 {
      guard prefix < other.count, other[prefix] == byte else { break }
      prefix += 1
    }
    var suffix = 0
    for byte in one.utf8.reversed() {
      guard suffix < other.count - prefix, other[other.count - 1 - suffix] == byte else { break }
      suffix += 1
    }
    return prefix + suffix
  }

  /// Levenshtein's distance of the first 512 bytes of two names.
  package static func editDistance(_ one: String, _ other: String) -> Int {
    let (left, right) = (Array(one.utf8.prefix(512)), Array(other.utf8.prefix(512)))
    var row = Array(0...right.count)
    for (i, leftByte) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, rightByte) in right.enumerated() {
        let substituted = diagonal + (leftByte == rightByte ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[right.count]
  }
}
