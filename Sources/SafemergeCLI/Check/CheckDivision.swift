import Checkpoints
import Inspection
import MergePlanning
import Platform
import Safetensors

/// A check that several processes make: which files it reads, and where their records are.
struct CheckDivision {
  /// The name of each weight file, by its path.
  let names: [String: String]
  let records: CheckRecords
  /// What is measured: the whole model, and each weight file.
  private let items: [String]
  /// Bytes of each item.
  private let costs: [Int]

  /// - Parameters:
  ///   - path: The model's, as it is opened.
  ///   - folder: The folder of results.
  ///   - options: Everything that decides what is measured, apart from the files of the model.
  /// - Throws: What inspecting headers throws; ``UsageError`` for a model with two files of one name.
  init(path: String, folder: String, options: [String], workers: Int) throws {
    let inspection = try ModelInspection(path: path, options: ModelInspection.Options(workers: workers))
    let files = inspection.files
    guard Set(files.map(\.name)).count == files.count else {
      throw UsageError("--part: two weight files have the same name", hint: "check the model in one process")
    }
    names = Dictionary(files.map { ($0.path, $0.name) }, uniquingKeysWith: { one, _ in one })
    items = [CheckedData.wholeModel] + files.map(\.name)
    costs = [0] + files.map(\.header.fileByteCount)
    let identity = options + [Safemerge.number] + (try Self.states(path, files.map(\.path)))
    records = CheckRecords(
      folder: folder, identity: identity.joined(separator: "\n"), files: files.map(\.name))
  }

  /// Names, sizes and times of the files that are in the folders of a model.
  private static func states(_ path: String, _ files: [String]) throws -> [String] {
    let isFolder = (try? SystemCalls.identity(path: path))?.isDirectory ?? false
    let folders = Set(files.map { Paths.folder($0) } + [isFolder ? path : Paths.folder(path)]).sorted()
    return try folders.flatMap { folder in
      let names = try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
        try SystemCalls.entries(ofFolder: folder)
      }
      return try names.sorted().compactMap { try state(Paths.join(folder, $0), named: $0) }
    }
  }

  /// Name, size and time of a regular file; nil for anything else.
  static func state(_ path: String, named name: String) throws(CheckpointError) -> String? {
    let identity = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.identity(path: path)
    }
    guard let identity, identity.isRegularFile else { return nil }
    return "\(name) \(identity.byteCount) \(identity.modified).\(identity.modifiedNanoseconds)"
  }

  /// What of a part has to be measured.
  ///
  /// - Returns: The names of its items, ``CheckedData/wholeModel`` for what belongs to no weight file; and those that have a record.
  func items(of part: PartNumber) throws -> (missing: [String], complete: [String], byteCount: Int) {
    let known = try records.read().values
    let own = Assignment(costs: costs, parts: part.count).files[part.index]
    let missing = own.filter { known[items[$0]] == nil }
    return (
      missing.map { items[$0] }, own.filter { known[items[$0]] != nil }.map { items[$0] },
      missing.reduce(0) { $0 + costs[$1] }
    )
  }

  /// What all parts measured.
  ///
  /// - Parameter wait: Called with the numbers of missing and of all records while some are missing; false: they stay missing.
  /// - Throws: `CheckRecordError` with `unchecked`.
  func recorded(_ wait: (_ missing: Int, _ all: Int) -> Bool) throws -> CheckedData {
    while true {
      let (values, count) = try records.read()
      let missing = items.indices.filter { values[items[$0]] == nil }
      if missing.isEmpty { return CheckedData(.recorded, values: values) }
      guard wait(missing.count, items.count) else { throw unchecked(missing, count) }
    }
  }

  private func unchecked(_ missing: [Int], _ count: Int) -> CheckRecordError {
    let assignment = Assignment(costs: costs, parts: max(count, 1))
    let parts = assignment.files.indices.filter { part in assignment.files[part].contains { missing.contains($0) } }
    let names = missing.map { items[$0] == CheckedData.wholeModel ? "what is in no weight file" : items[$0] }
    return CheckRecordError(
      path: records.path, .unchecked(names, of: items.count, parts: count == 0 ? [] : parts, count: count))
  }
}
