import Adapters
import Checkpoints
import Platform
import Safetensors

/// A model or an adapter as typed: a path, or a Hugging Face model in the local cache.
struct ModelArgument: Sendable {
  /// Its path on disk.
  let path: String
  /// Nil if it was given as a path.
  let snapshot: HubCache.Snapshot?

  /// Its name in messages.
  var title: String { snapshot?.title ?? path }

  /// An existing path is a path, and so is anything that begins with a slash, dots or a tilde, or that ends like a
  /// file. `hf://...` is a Hugging Face model, and so is anything else that can be an id.
  ///
  /// A name without a namespace is a Hugging Face model only if the cache has it: it is more often a mistyped path.
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

  /// A Hugging Face model.
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

  /// Runs code that reads the model. For a snapshot, an error about a missing file says how to download it.
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
      case .missingShard, .incompleteShards, .noWeights, .notFound, .missingPart, .partWithoutWeights: true
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

/// A snapshot in the Hugging Face cache that is incomplete.
struct IncompleteSnapshot: ReportableError {
  let error: any ReportableError
  let download: String
  var errorClass: String { error.errorClass }
  var category: ErrorCategory { error.category }
  var file: String? { error.file }
  var tensor: String? { error.tensor }
  var message: String { error.message }
  var candidates: [String] { error.candidates }
  var hint: String? { "the cached snapshot is incomplete; download it with: \(download)" }
}
