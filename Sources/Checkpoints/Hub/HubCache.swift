import Platform
import Safetensors

/// The local cache of huggingface_hub 2.4. It is only read: nothing is ever created, changed or removed in it.
///
/// ```
/// models--namespace--name/
///   refs/main                      a commit
///   snapshots/<commit>/<file>      a link into a folder of blobs, or a file where links are not used
///   .no_exist/<commit>/<file>      the hub said that there is no such file
/// ```
public struct HubCache: Sendable {
  /// The result of looking up a file of a revision.
  public enum Lookup: Equatable, Sendable {
    case file(path: String)
    /// The cache records that the file does not exist at this commit.
    case doesNotExist
    case notCached
  }

  /// A revision that the cache has, completely or in part.
  public struct Snapshot: Equatable, Sendable {
    public let reference: HubReference
    /// The commit that the revision resolves to: 40 hexadecimal digits.
    public let commit: String
    /// The snapshot's folder.
    public let folder: String

    /// `namespace/name@commit`, the commit with 12 digits.
    public var title: String { "\(reference.repository)@\(commit.prefix(12))" }
  }

  public let path: String

  /// - Parameter path: The folder; see ``HubEnvironment/cachePath(_:home:)``. It need not exist.
  public init(path: String) { self.path = path }

  /// The folder of the revision that a reference names.
  ///
  /// The revision is looked up among the references, and is taken for a commit if it is not a reference. A shortened
  /// commit is not accepted. The cache does not record whether a snapshot is complete.
  ///
  /// - Throws: ``HubError`` if the cache has no such snapshot, with the command that fetches it.
  /// - Source: huggingface_hub 2.4, `try_to_load_from_cache`.
  public func snapshot(_ reference: HubReference) throws(HubError) -> Snapshot {
    let repository = repositoryFolder(reference)
    guard try isFolder(repository, reference) else { throw error(reference, .repositoryNotCached) }
    let commit = try commit(reference)
    let snapshots = HubEnvironment.join(repository, "snapshots")
    let cached = try isFolder(snapshots, reference) ? entries(snapshots, reference) : []
    guard cached.contains(where: { Paths.areEqual($0, commit) }) else {
      throw error(reference, .revisionNotCached(cached: try knownRevisions(reference)))
    }
    return Snapshot(reference: reference, commit: commit, folder: HubEnvironment.join(snapshots, commit))
  }

  /// What the cache knows about one file. A link whose blob is missing counts as not cached.
  ///
  /// - Parameters:
  ///   - file: Relative to the repository's root.
  ///   - reference: The repository and its revision.
  /// - Source: huggingface_hub 2.4, `try_to_load_from_cache`.
  public func lookup(_ file: String, of reference: HubReference) throws(HubError) -> Lookup {
    guard HubReference.isRevision(file) else { throw error(reference, .malformed("\"\(file)\" is no path of a file")) }
    let repository = repositoryFolder(reference)
    guard try isFolder(repository, reference) else { return .notCached }
    let commit = try commit(reference)
    let absent = Paths.join(Paths.join(Paths.join(repository, ".no_exist"), commit), file)
    if try isFile(absent, reference) { return .doesNotExist }
    let snapshots = HubEnvironment.join(repository, "snapshots")
    guard try isFolder(snapshots, reference),
      try entries(snapshots, reference).contains(where: { Paths.areEqual($0, commit) })
    else { return .notCached }
    let path = Paths.join(Paths.join(snapshots, commit), file)
    return try isFile(path, reference) ? .file(path: path) : .notCached
  }

  /// The path that a reference resolves to: a snapshot's folder, a folder in it, or one file.
  ///
  /// - Throws: ``HubError`` if it is not there.
  public func resolve(_ reference: HubReference) throws(HubError) -> (path: String, snapshot: Snapshot) {
    let snapshot = try snapshot(reference)
    guard !reference.path.isEmpty else { return (snapshot.folder, snapshot) }
    let folder = Paths.join(snapshot.folder, reference.path)
    if HubReference.isRevision(reference.path), try isFolder(folder, reference) { return (folder, snapshot) }
    switch try lookup(reference.path, of: reference) {
    case .file(let path): return (path, snapshot)
    case .doesNotExist: throw error(reference, .fileDoesNotExist(reference.path, commit: snapshot.commit))
    case .notCached: throw error(reference, .fileNotCached(reference.path, commit: snapshot.commit))
    }
  }

  /// The huggingface_hub command that downloads what a reference names.
  ///
  /// - Parameters:
  ///   - reference: The reference to download.
  ///   - commit: Fetches this commit instead of the reference's revision.
  public static func downloadCommand(_ reference: HubReference, commit: String? = nil) -> String {
    let file = reference.path.isEmpty ? "" : " \(quoted(reference.path))"
    let revision = (commit ?? reference.revision).map { " --revision \(quoted($0))" } ?? ""
    return "hf download \(reference.repository)\(file)\(revision)"
  }

  /// The text quoted as one shell word.
  private static func quoted(_ text: String) -> String {
    let plain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-./+=:@%".contains($0)) }
    return plain ? text : "'" + text.replacing("'", with: "'\\''") + "'"
  }

  private func repositoryFolder(_ reference: HubReference) -> String {
    HubEnvironment.join(path, "models--" + reference.repository.replacing("/", with: "--"))
  }

  /// The exact content of the reference's file, or the revision itself.
  private func commit(_ reference: HubReference) throws(HubError) -> String {
    let revision = reference.revision ?? "main"
    let file = Paths.join(Paths.join(repositoryFolder(reference), "refs"), revision)
    guard try isFile(file, reference) else { return revision }
    do throws(FileError) {
      let input = try InputFile(path: file)
      return String(decoding: try input.bytes(0..<min(input.byteCount, Self.largestReferenceByteCount)), as: UTF8.self)
    } catch {
      guard case .system(let call, let code) = error.problem else { return revision }
      throw self.error(reference, .system(call: call, code: code))
    }
  }

  private static let largestReferenceByteCount = 4096

  /// At most three names of references, or of commits if there are no references.
  private func knownRevisions(_ reference: HubReference) throws(HubError) -> [String] {
    var names: [String] = []
    for folder in ["refs", "snapshots"] where names.isEmpty {
      let path = HubEnvironment.join(repositoryFolder(reference), folder)
      if try isFolder(path, reference) { names = try entries(path, reference) }
    }
    return names.count > 3 ? names.prefix(3) + ["\(names.count - 3) more"] : names
  }

  private func error(_ reference: HubReference, _ problem: HubError.Problem) -> HubError {
    let isMissing =
      switch problem {
      case .repositoryNotCached, .revisionNotCached, .fileNotCached: true
      default: false
      }
    return HubError(
      reference: reference.description, problem, cache: path,
      download: isMissing ? Self.downloadCommand(reference) : nil)
  }

  private func isFolder(_ path: String, _ reference: HubReference) throws(HubError) -> Bool {
    try identity(path, reference)?.isDirectory == true
  }

  private func isFile(_ path: String, _ reference: HubReference) throws(HubError) -> Bool {
    try identity(path, reference)?.isRegularFile == true
  }

  /// Nil also for names that no file can have, as Python's `os.path.isfile` does, and for paths that this user may not
  /// read: another user's cache counts as missing.
  private func identity(_ path: String, _ reference: HubReference) throws(HubError) -> SystemCalls.Identity? {
    do throws(SystemCalls.Failure) { return try SystemCalls.identity(path: path) } catch {
      if SystemCalls.impossibleName.contains(error.code) || SystemCalls.notAllowed.contains(error.code) { return nil }
      throw self.error(reference, .system(call: error.call, code: error.code))
    }
  }

  private func entries(_ path: String, _ reference: HubReference) throws(HubError) -> [String] {
    do throws(SystemCalls.Failure) { return try SystemCalls.entries(ofFolder: path) } catch {
      if SystemCalls.notAllowed.contains(error.code) { return [] }
      throw self.error(reference, .system(call: error.call, code: error.code))
    }
  }
}
