import Safetensors

/// Finds the tensors whose names a person may have meant.
enum NearestNames {
  static let largestAnswer = 3

  /// Names of `candidates` that share the most with `name`: whole components from the end first, then a small edit
  /// distance. Only for messages: nothing is ever matched by likeness.
  static func find(_ name: String, in candidates: some Collection<TensorName>) -> [String] {
    let wanted = name.split(separator: ".")
    guard let leaf = wanted.dropLast().last else { return [] }
    func sharedSuffix(_ other: [Substring]) -> Int {
      zip(wanted.reversed(), other.reversed()).prefix { $0 == $1 }.count
    }
    var best: [(name: String, shared: Int, distance: Int)] = []
    var shortlist = candidates.filter { $0.string.contains(leaf) }
    if shortlist.isEmpty { shortlist = Array(candidates.prefix(10_000)) }
    let ranked = shortlist.map { (name: $0.string, shared: sharedSuffix($0.string.split(separator: "."))) }
      .sorted { ($1.shared, $0.name) < ($0.shared, $1.name) }
    for candidate in ranked.prefix(200) {
      best.append((candidate.name, candidate.shared, editDistance(candidate.name, name)))
    }
    return best.filter { $0.shared >= 2 || $0.distance * 3 <= name.utf8.count }
      .sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }
      .prefix(largestAnswer).map(\.name)
  }

  /// Levenshtein's distance on bytes, of names of at most 512 bytes.
  static func editDistance(_ one: String, _ other: String) -> Int {
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
