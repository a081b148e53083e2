import Adapters
import Checkpoints
import Platform
import Safetensors

/// A model or an adapter as typed: a path, or a model of the hub that is in the local cache.
struct ModelArgument: Sendable {
  /// Where it is on disk.
  let path: String
  /// Nil: it was given as a path.
  let snapshot: HubCache.Snapshot?

  /// What a person calls it.
  var title: String { snapshot?.title ?? path }

  /// A path that exists is a path, and so is what begins with a slash, dots or a tilde, or ends as a file that is no
  /// repository; `hf://...` is of the hub, and so is what is left if it can be an id.
  ///
  /// A name without a namespace is of the hub only if the cache has it: it is more often a path that is mistyped.
  init(_ text: String) throws {
    guard let reference = try Self.reference(text) else {
      self.init(path: text, snapshot: nil)
      return
    }
    do { try self.init(reference) } catch let error as HubError {
      guard error.problem == .repositoryNotCached, !reference.repository.contains("/") else { throw error }
      self.init(path: text, snapshot: nil)
    }
  }

  /// A model of the hub.
  init(_ reference: HubReference) throws {
    let found = try Self.cache.resolve(reference)
    self.init(path: found.path, snapshot: found.snapshot)
  }

  private init(path: String, snapshot: HubCache.Snapshot?) {
    self.path = path
    self.snapshot = snapshot
  }

  private static func reference(_ text: String) throws -> HubReference? {
    if HubReference.isAddress(text) { return try HubReference(text) }
    let isPath = ["/", "./", "../", "~"].contains { text.hasPrefix($0) } || [".", ".."].contains(text)
    guard !isPath, ![".safetensors", ".json"].contains(where: text.hasSuffix),
      try SystemCalls.identity(path: text) == nil
    else { return nil }
    return try HubReference(text)
  }

  /// The cache that huggingface_hub uses with this environment.
  static var cache: HubCache {
    let variables = ProcessEnvironment.variables
    return HubCache(path: HubEnvironment.cachePath(variables, home: ProcessEnvironment.homeFolder))
  }

  /// Runs what reads the model; of a snapshot, an error about a file that is missing says how to fetch it.
  func read<Value>(_ body: (String) throws -> Value) throws -> Value {
    do { return try body(path) } catch let error as any ReportableError {
      guard let snapshot, error.file?.hasPrefix(path) == true, Self.isAboutMissingFile(error) else { throw error }
      let command = HubCache.downloadCommand(
        HubReference(repository: snapshot.reference.repository), commit: snapshot.commit)
      throw IncompleteSnapshot(error: error, download: command)
    }
  }

  private static func isAboutMissingFile(_ error: any ReportableError) -> Bool {
    switch error {
    case let error as CheckpointError:
      switch error.problem {
      case .missingShard, .incompleteShards, .noWeights, .notFound: true
      default: false
      }
    case let error as AdapterError:
      switch error.problem {
      case .missingFile, .system(_, SystemCalls.noSuchFile): true
      case .file(let error): isAboutMissingFile(error)
      default: false
      }
    case let error as SafetensorsError:
      if case .file(.system(_, SystemCalls.noSuchFile)) = error.problem { true } else { false }
    case let error as FileError:
      if case .system(_, SystemCalls.noSuchFile) = error.problem { true } else { false }
    default: false
    }
  }
}

/// A snapshot of the hub's cache that was not fetched whole.
struct IncompleteSnapshot: ReportableError {
  let error: any ReportableError
  let download: String
  var errorClass: String { error.errorClass }
  var category: ErrorCategory { error.category }
  var file: String? { error.file }
  var tensor: String? { error.tensor }
  var message: String { error.message }
  var candidates: [String] { error.candidates }
  var hint: String? { "the cached snapshot is not complete; fetch it with: \(download)" }
}
