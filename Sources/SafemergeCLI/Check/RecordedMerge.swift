import ArgumentParser
import Checksums
import JSONText
import MergePlanning
import Merging
import Platform
import Safetensors
import Staging

/// The merge that made a result, as recorded in `.safemerge.json`, or in the metadata of a result that is a single file.
struct RecordedMerge {
  /// An adapter's files when they were merged.
  struct AdapterFiles: Equatable {
    var config: SHA256Checksum?
    var weights: SHA256Checksum?
  }

  /// For messages.
  let path: String
  /// Whether it is in the result's file: then the base's file may have any name.
  let isInFile: Bool
  /// The options by name, in order.
  let options: [MergeIdentity.Option]
  /// In the order of the merge, with their weights.
  private(set) var adapters: [(files: AdapterFiles, weight: AdapterWeight)] = []
  /// The base's weight files, and the SHA-256 of their headers.
  private(set) var bases: [(name: String, header: SHA256Checksum)] = []

  /// Reads the record of a result; nil if there is no record, or if it is about another file of the folder.
  ///
  /// - Parameter output: A folder, an index file or a weight file.
  /// - Throws: ``UnusableRecord`` for a file that is not a record.
  init?(of output: String) throws {
    let isFolder = try SystemCalls.identity(path: output)?.isDirectory ?? false
    if !isFolder, let own = try? SafetensorsHeader(path: output), let provenance = FileProvenance(own.metadata) {
      self = RecordedMerge(provenance, path: output)
      return
    }
    isInFile = false
    let folder = isFolder ? output : Paths.folder(output)
    path = ResultRecord.path(in: folder)
    let found: ResultRecord?
    do { found = try ResultRecord.read(in: folder) } catch is JSONError {
      throw UnusableRecord(file: path, message: "not the record of a merge")
    }
    guard let record = found else { return nil }
    guard let options = record.options else {
      throw UnusableRecord(file: path, message: "not the record of a merge")
    }
    self.options = options
    let name = Paths.lastComponent(output)
    if !isFolder, !name.hasSuffix(".index.json"), !record.files.contains(where: { $0.name == name }) { return nil }
    for input in record.inputs { add(input) }
  }

  private init(_ provenance: FileProvenance, path: String) {
    self.path = "the metadata of \(path)"
    isInFile = true
    options = provenance.options
    adapters = provenance.adapters.map { adapter in
      (
        AdapterFiles(config: adapter.configChecksum, weights: adapter.checksum),
        AdapterWeight(adapter.weight) ?? AdapterWeight()
      )
    }
    bases = [(provenance.base.name, provenance.base.headerChecksum)]
  }

  private mutating func add(_ input: MergeIdentity.Input) {
    if input.role == "base", let header = input.headerChecksum { bases.append((input.name, header)) }
    guard input.role.hasPrefix("adapter "), let number = Int(input.role.dropFirst("adapter ".count)), number > 0,
      number < 10_000
    else { return }
    while adapters.count < number {
      let weight = option("weight \(adapters.count + 1)").flatMap { AdapterWeight($0) }
      adapters.append((AdapterFiles(), weight ?? AdapterWeight()))
    }
    if input.headerChecksum == nil {
      adapters[number - 1].files.config = input.checksum
    } else {
      adapters[number - 1].files.weights = input.checksum
    }
  }

  func option(_ name: String) -> String? { options.first { $0.name == name }?.value }

  /// The adapters that are in the result, with the weights that they were merged with; nil: the record does not tell, because
  /// adapters were taken out of a model without a record.
  var merged: [(checksum: SHA256Checksum?, weight: AdapterWeight)]? {
    guard option("command") == MergeRequest.unmergeCommand else {
      return adapters.map { ($0.files.weights, $0.weight) }
    }
    guard let count = option("remaining").flatMap({ Int($0) }), (0..<10_000).contains(count) else { return nil }
    return (0..<count).map { number in
      let parts = option("remaining \(number + 1)")?.split(separator: " ", maxSplits: 1) ?? []
      return (
        parts.first.flatMap { SHA256Checksum(hexadecimal: String($0)) },
        parts.last.flatMap { AdapterWeight(String($0)) } ?? AdapterWeight()
      )
    }
  }

  /// What the record of a result says of the adapters that are still in it.
  static func options(
    remaining: [(checksum: SHA256Checksum?, weight: AdapterWeight)]
  ) -> [MergeIdentity.Option] {
    [MergeIdentity.Option(name: "remaining", value: String(remaining.count))]
      + remaining.enumerated().map { number, adapter in
        MergeIdentity.Option(
          name: "remaining \(number + 1)", value: "\(adapter.checksum?.description ?? "-") \(adapter.weight.text)")
      }
  }

  /// The options that decide the result.
  func resultOptions() throws -> ResultOptions {
    try parsed { try ResultOptions.parse(ResultOptions.arguments(for: options)) }
  }

  /// How the adapters were combined.
  func combineOptions() throws -> CombineOptions {
    try parsed { try CombineOptions.parse(CombineOptions.arguments(for: options)) }
  }

  private func parsed<Options>(_ parse: () throws -> Options) throws -> Options {
    do { return try parse() } catch {
      throw UnusableRecord(file: path, message: "options in this record are unknown to this version")
    }
  }
}

/// A `.safemerge.json` that is not usable as a record.
struct UnusableRecord: ReportableError {
  let file: String?
  let message: String
  var errorClass: String { "unsupported" }
  var category: ErrorCategory { .refusedInput }
  var hint: String? { "written by another version? Without this file, pass every option of the merge" }
}
