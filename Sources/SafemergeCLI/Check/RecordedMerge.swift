import ArgumentParser
import Checkpoints
import Checksums
import JSONText
import MergeEngine
import Platform
import Safetensors

/// What `.safemerge.json` beside a result says of the merge that made it.
struct RecordedMerge {
  /// An adapter's files, as they were merged.
  struct AdapterFiles: Equatable {
    var config: SHA256Checksum?
    var weights: SHA256Checksum?
  }

  static let fileName = ResultMarks.record
  private static let largestByteCount = 64 << 20

  let path: String
  /// By name, in their order.
  let options: [(name: String, value: String)]
  /// In the order of the merge, with the weights that they were given.
  private(set) var adapters: [(files: AdapterFiles, weight: Double)] = []
  /// The base's weight files, and the SHA-256 of their headers.
  private(set) var bases: [(name: String, header: SHA256Checksum)] = []

  /// Reads the record of a result; nil where there is none, or it is of another file of that folder.
  ///
  /// - Parameter output: A folder, an index file or a weight file.
  /// - Throws: ``UnusableRecord`` for one that is not a record.
  init?(of output: String) throws {
    let isFolder = try SystemCalls.identity(path: output)?.isDirectory ?? false
    path = Paths.join(isFolder ? output : Paths.folder(output), Self.fileName)
    guard (try? SystemCalls.identity(path: path)) != nil else { return nil }
    let bytes = try BoundedFile.read(path, limit: Self.largestByteCount)
    guard let record = try? JSONParser.parse(bytes.span), case .object(let members)? = record["options"] else {
      throw UnusableRecord(file: path, message: "is not the record of a merge")
    }
    options = members.compactMap { member in
      if case .string(let value) = member.value { (member.key, value) } else { nil }
    }
    let name = Paths.lastComponent(output)
    if !isFolder, !name.hasSuffix(".index.json"),
      !Self.objects(record["files"]).contains(where: { $0["name"] == .string(name) })
    {
      return nil
    }
    for input in Self.objects(record["inputs"]) { add(input) }
  }

  private static func objects(_ value: JSONValue?) -> [JSONValue] {
    if case .array(let values)? = value { values } else { [] }
  }

  private mutating func add(_ input: JSONValue) {
    guard case .string(let role)? = input["role"], case .string(let name)? = input["name"] else { return }
    func checksum(_ key: String) -> SHA256Checksum? {
      if case .string(let digits)? = input[key] { SHA256Checksum(hexadecimal: digits) } else { nil }
    }
    if role == "base", let header = checksum("header_sha256") { bases.append((name, header)) }
    guard role.hasPrefix("adapter "), let number = Int(role.dropFirst("adapter ".count)), number > 0, number < 10_000
    else { return }
    while adapters.count < number {
      adapters.append((AdapterFiles(), option("weight \(adapters.count + 1)").flatMap(Double.init) ?? 1))
    }
    if checksum("header_sha256") == nil {
      adapters[number - 1].files.config = checksum("sha256")
    } else {
      adapters[number - 1].files.weights = checksum("sha256")
    }
  }

  func option(_ name: String) -> String? { options.first { $0.name == name }?.value }

  /// The options that decide the result.
  func resultOptions() throws -> ResultOptions {
    try parsed { try ResultOptions.parse(ResultOptions.arguments(for: options)) }
  }

  /// How the adapters became one.
  func combineOptions() throws -> CombineOptions {
    let names = ["combine", "density", "majority-sign", "seed", "svd-rank", "svd-clamp"]
    return try parsed {
      try CombineOptions.parse(options.filter { names.contains($0.name) }.map { "--\($0.name)=\($0.value)" })
    }
  }

  private func parsed<Options>(_ parse: () throws -> Options) throws -> Options {
    do { return try parse() } catch {
      throw UnusableRecord(file: path, message: "has options that this version does not know")
    }
  }
}

/// A `.safemerge.json` of which nothing can be taken.
struct UnusableRecord: ReportableError {
  let file: String?
  let message: String
  var errorClass: String { "unsupported" }
  var category: ErrorCategory { .refusedInput }
  var hint: String? { "was it written by a newer version? without the file every option has to be given" }
}
