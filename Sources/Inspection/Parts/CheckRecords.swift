import Checkpoints
import Checksums
import JSONText
import Platform
import Staging

/// The folder in which the parts of one check keep what they measured: a record for each weight file, and one for what belongs to
/// none.
///
/// No lock is used. A record is written under a name of its own and renamed. Two processes that check one file write equally true
/// records.
package struct CheckRecords: Sendable {
  /// `RESULTS/DIGEST`: what another check measured is in another folder.
  package let path: String
  private let top: String
  private let digest: String
  /// The names of the records' files, ``CheckedData/wholeModel`` first.
  private let files: [String]
  private let shared = FolderOnDisk()

  /// - Parameters:
  ///   - folder: The folder of results, which the user names.
  ///   - identity: What decides what is measured: program, options, and the identity of all files.
  ///   - files: The names of the weight files.
  package init(folder: String, identity: String, files: [String]) {
    top = Paths.withoutTrailingSlashes(folder)
    digest = String(SHA256Checksum(of: Array(identity.utf8)).description.prefix(32))
    path = Paths.join(top, digest)
    self.files = [CheckedData.wholeModel] + files
  }

  /// What a part of a check measured of one file.
  private struct Record {
    /// How many parts there were.
    let count: Int
    let values: [String: JSONValue]
  }

  /// More than any record has.
  private static let limit = 256 << 20

  private func name(_ number: Int) -> String { "\(number).json" }

  /// The records of all files that have one.
  ///
  /// - Returns: The values by file, and how many parts wrote records: the largest number, if parts of several were run.
  package func read() throws(CheckpointError) -> (values: [String: [String: JSONValue]], count: Int) {
    var values: [String: [String: JSONValue]] = [:]
    var count = 0
    // A name is opened only if a listing showed it: a client would remember that it was absent.
    let names = Set(try shared.list(path))
    for (number, file) in files.enumerated() where names.contains(name(number)) {
      guard let text = try shared.start(of: Paths.join(path, name(number)), byteCount: Self.limit)?.bytes,
        let record = record(text, of: file)
      else { continue }
      values[file] = record.values
      count = max(count, record.count)
    }
    return (values, count)
  }

  /// Makes the folders. A part does this before it reads, so that nothing is read that cannot be recorded.
  package func makeFolders() throws(CheckRecordError) {
    for folder in [top, path] { try Self.makeFolder(folder) }
  }

  /// - Throws: ``CheckRecordError`` with `notAFolder` if something else has the name of the folder of results.
  package func checkFolder() throws(CheckRecordError) { _ = try Self.isFolder(top) }

  /// Whether a folder is there; a link to one counts.
  private static func isFolder(_ path: String) throws(CheckRecordError) -> Bool {
    let found: SystemCalls.Identity?
    let isNamed: Bool
    do throws(SystemCalls.Failure) {
      found = try SystemCalls.identity(path: path)
      isNamed = try SystemCalls.identity(path: path, followingLinks: false) != nil
    } catch { throw CheckRecordError(path: path, .system(call: error.call, code: error.code)) }
    guard isNamed, found?.isDirectory != true else { return isNamed }
    throw CheckRecordError(path: path, .notAFolder(found == nil ? "a link to nothing" : "a file"))
  }

  private static func makeFolder(_ path: String) throws(CheckRecordError) {
    if try isFolder(path) { return }
    do throws(SystemCalls.Failure) { try SystemCalls.ensureFolder(path, mode: 0o777) } catch {
      throw CheckRecordError(
        path: path, error.code == SystemCalls.noSuchFile ? .noParentFolder : .system(call: error.call, code: error.code)
      )
    }
  }

  /// Writes what was measured of a file, to folders that ``makeFolders()`` made.
  ///
  /// - Parameters:
  ///   - file: A weight file's name, or ``CheckedData/wholeModel``.
  ///   - count: How many parts there are.
  package func write(_ values: [String: JSONValue], of file: String, partCount count: Int) throws(CheckpointError) {
    guard let number = files.firstIndex(of: file) else { return }
    let temporary = Paths.join(path, ".\(name(number)).\(RandomToken.make())")
    try shared.write(text(values, of: file, count), to: temporary)
    try shared.rename(temporary, to: Paths.join(path, name(number)))
  }

  /// A `SealedText`.
  private func text(_ values: [String: JSONValue], of file: String, _ count: Int) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("schema", 1)
    writer.member("digest", digest)
    writer.member("file", file)
    writer.member("parts", count)
    writer.member("values") { writer in
      for (key, value) in values.sorted(by: { $0.key < $1.key }) {
        writer.key(key)
        writer.value(value)
      }
    }
    writer.end()
    return SealedText.seal(writer.bytes)
  }

  private func record(_ text: [UInt8], of file: String) -> Record? {
    guard let json = SealedText.open(text), let value = try? JSONParser.parse(json.span),
      value["schema"] == .integer(1),
      value["digest"] == .string(digest), value["file"] == .string(file), case .integer(let count)? = value["parts"],
      case .object(let members)? = value["values"]
    else { return nil }
    return Record(
      count: Int(clamping: count),
      values: Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { one, _ in one }))
  }
}
