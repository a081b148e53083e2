import Inspection
import JSONText
import Platform

/// One part of a check: measures its weight files, and records what it found. The verdict is the finisher's.
struct CheckPart {
  let part: PartNumber
  /// The variable that told it.
  let variable: String?
  let division: CheckDivision

  /// What an interrupted part says. A part records what it read at its end, and each record is complete or not there.
  static let interrupted = "interrupted; records that are complete stay"

  /// - Parameter check: Goes through the check, which asks `data` for what it would read.
  /// - Returns: The text or the document that says what was done.
  func run(isJSON: Bool, check: (_ data: CheckedData) throws -> Void) throws -> [UInt8] {
    try division.records.makeFolders()
    let (missing, complete, byteCount) = try division.items(of: part)
    if !missing.isEmpty {
      let data = CheckedData(.files(Set(missing)))
      try check(data)
      for item in missing { try division.records.write(data.values(of: item), of: item, partCount: part.count) }
    }
    return isJSON ? document(missing, complete) : text(missing, complete, byteCount)
  }

  private func text(_ missing: [String], _ complete: [String], _ byteCount: Int) -> [UInt8] {
    let (missing, complete) = (Self.files(missing), Self.files(complete))
    var line = "part \(part.index)/\(part.count)" + (variable.map { " (\($0))" } ?? "") + ": "
    line += "\(NumberText.counted(missing.count, "weight file")) read (\(NumberText.bytes(byteCount)))"
    if !complete.isEmpty { line += ", \(complete.count) had a record" }
    return Array("\(line); results in \(division.records.path)".escapingUnprintable.utf8) + [UInt8(ascii: "\n")]
  }

  private func document(_ missing: [String], _ complete: [String]) -> [UInt8] {
    var writer = JSONWriter(escapesUnprintable: true)
    writer.beginObject()
    writer.member("schema", CheckJSON.schema)
    writer.member("part", part.index)
    writer.member("parts", part.count)
    writer.member("variable", variable)
    writer.member("read", Self.files(missing))
    writer.member("complete", Self.files(complete))
    writer.member("folder", division.records.path)
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  /// Without what belongs to no weight file.
  private static func files(_ items: [String]) -> [String] { items.filter { $0 != CheckedData.wholeModel } }
}
