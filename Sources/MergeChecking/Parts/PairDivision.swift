import Inspection

/// Which tensors a process compares of those of a check, and where their verdicts are kept or come from.
struct PairDivision {
  /// The places of the pairs that this process compares.
  let own: Set<Int>
  private let data: CheckedData
  /// The name of the file that each pair belongs to.
  private let files: [String]

  /// - Parameter names: The names of the result's files in `data`, by path.
  init(_ pairs: [CheckedPair], _ context: CheckContext, _ data: CheckedData, names: [String: String]) {
    var files = pairs.map { names[$0.result.file] ?? CheckedData.wholeModel }
    // Scales are judged with their codes, which may be in another file.
    let requantized = RequantizedPairs(pairs, context)
    for (number, pair) in pairs.enumerated() where RequantizedPairs.isCodes(pair) {
      if let scales = requantized.scales(of: pair) { files[scales] = files[number] }
    }
    own = Set(pairs.indices.filter { data.measures(files[$0]) })
    self.files = files
    self.data = data
  }

  private static func key(_ number: Int) -> String { "tensor \(number)" }

  /// Keeps the verdicts on the own pairs.
  func keep(_ pairs: [CheckedPair]) {
    for number in own { data.keep(pairs[number].result.recorded, Self.key(number), of: files[number]) }
  }

  /// Takes over the recorded verdicts.
  func take(_ pairs: inout [CheckedPair]) throws(CheckRecordError) {
    for number in pairs.indices {
      guard pairs[number].result.take(try data.recorded(Self.key(number), of: files[number])) else {
        throw data.missing(Self.key(number), of: files[number])
      }
    }
  }
}
