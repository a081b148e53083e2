/// What the record of a weight file says beside what every record does.
public struct RecordContents: OptionSet, Sendable, Hashable {
  public let rawValue: Int

  public init(rawValue: Int) { self.rawValue = rawValue }

  /// Sums over the elements of tensors, of which a report is made.
  public static let statistics = RecordContents(rawValue: 1)
  /// The SHA-256 of the weight file and of the base's files that it was made from.
  public static let checksums = RecordContents(rawValue: 2)
  /// The data was read back from disk and compared with its checksum.
  public static let verification = RecordContents(rawValue: 4)

  /// The class of the error where records lack these.
  package var errorClass: String { self == .statistics ? "parts-statistics" : "parts-checksums" }

  /// What a part did not do whose record lacks these.
  package var absence: String {
    if contains(.verification) { return "did not read the data back" }
    return contains(.checksums) ? "computed no checksums" : "collected no statistics for the report"
  }

  /// The options that make a part do all of it.
  package var options: String {
    var options: [String] = []
    if contains(.statistics) { options.append("--report FILE") }
    // What is read back is compared with checksums.
    if contains(.verification) {
      options.append("--verify read")
    } else if contains(.checksums) {
      options.append("--checksums")
    }
    return options.joined(separator: " ")
  }
}

extension ShardRecord {
  /// What this record says beside what every record does.
  package var contents: RecordContents {
    var contents: RecordContents = []
    if findings.hasStatistics { contents.insert(.statistics) }
    if checksum != nil, inputs.allSatisfy({ $0.checksum != nil }) { contents.insert(.checksums) }
    if verification != .none { contents.insert(.verification) }
    return contents
  }
}
