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
  ///   - inspection: Of the headers of the model.
  ///   - folder: The folder of results.
  ///   - options: Everything that decides what is measured, apart from files.
  ///   - read: The files that decide what is measured.
  /// - Throws: ``UsageError`` for a model with two files of one name, and for results inside a pipeline, whose folders are all read;
  ///   what reading samples throws.
  init(
    _ inspection: ModelInspection, folder: String, options: [String], read: [CheckedFile], workers: Int
  ) throws {
    let files = inspection.files
    guard Set(files.map(\.name)).count == files.count else {
      throw UsageError("--part: two weight files have the same name", hint: "check the model in one process")
    }
    if inspection.isPipeline, let results = Self.realPath(folder), let model = SystemCalls.realPath(inspection.path),
      Paths.isBeneath(results, model)
    {
      throw UsageError("--results \(folder) is inside the model", hint: "choose a folder beside it")
    }
    names = Dictionary(files.map { ($0.path, $0.name) }, uniquingKeysWith: { one, _ in one })
    items = [CheckedData.wholeModel] + files.map(\.name)
    costs = [0] + files.map(\.header.fileByteCount)
    let identity = [Safemerge.number, Self.kind(inspection.path)] + options
    records = CheckRecords(
      folder: folder, identity: (identity + (try CheckedFile.lines(read, workers: workers))).joined(separator: "\n"),
      files: files.map(\.name))
  }

  /// Whether a folder, one file or the files of an index are checked: each reads other files beside the weights.
  private static func kind(_ path: String) -> String {
    if (try? SystemCalls.identity(path: path))?.isDirectory == true { return "folder" }
    return path.hasSuffix(".json") ? "index \(Paths.lastComponent(path))" : "file"
  }

  /// The real path of a folder that may not be there.
  private static func realPath(_ folder: String) -> String? {
    SystemCalls.realPath(folder)
      ?? SystemCalls.realPath(Paths.folder(folder)).map { Paths.join($0, Paths.lastComponent(folder)) }
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
  /// - Throws: `CheckRecordError` with `unchecked`, or with `notAFolder`.
  func recorded(_ wait: (_ missing: Int, _ all: Int) -> Bool) throws -> CheckedData {
    try records.checkFolder()
    while true {
      let (values, count) = try records.read()
      let missing = items.indices.filter { values[items[$0]] == nil }
      if missing.isEmpty { return CheckedData(.recorded(from: records.path), values: values) }
      guard wait(missing.count, items.count) else { throw unchecked(missing, count) }
    }
  }

  private func unchecked(_ missing: [Int], _ count: Int) -> CheckRecordError {
    let assignment = Assignment(costs: costs, parts: max(count, 1))
    let parts = assignment.files.indices.filter { part in assignment.files[part].contains { missing.contains($0) } }
    let names = missing.map { CheckedData.title(items[$0]) }
    return CheckRecordError(
      path: records.path, .unchecked(names, of: items.count, parts: count == 0 ? [] : parts, count: count))
  }
}
