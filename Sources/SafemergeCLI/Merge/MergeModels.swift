import Adapters
import ArgumentParser
import Checkpoints
import JSONText
import MergePlanning
import Merging
import Platform
import Safetensors

/// The base and the adapters of a merge, from the arguments.
struct MergeModels {
  let checkpoint: Checkpoint
  let uses: [AdapterUse]
  /// The models as a model card names them.
  let cardBase: ModelCardRequest.Model
  let cardAdapters: [ModelCardRequest.Model]
  /// Warnings about the choice.
  let warnings: [String]

  /// - Parameters:
  ///   - first: The base; or an adapter, whose base is used then.
  ///   - others: The adapters after it, with their weights.
  ///   - workers: Threads that read headers.
  ///   - variant: Which of several variants of the base's weights is merged.
  init(_ first: String, _ others: [String], workers: Int, variant: String? = nil) throws {
    let baseArgument: ModelArgument?
    var adapters = try others.map(AdapterArgument.init)
    if let adapter = try Self.adapter(first) {
      baseArgument = nil
      adapters.insert(adapter, at: 0)
    } else {
      let argument = try ModelArgument(first)
      guard !others.isEmpty else {
        throw AdapterAsBase(argument.path, isAlone: true) ?? Self.missingAdapter(first, ModelFolder(argument.path))
      }
      if let error = AdapterAsBase(argument.path, isAlone: false) { throw error }
      baseArgument = argument
    }
    uses = try adapters.map { argument in
      AdapterUse(try argument.model.read(Adapter.init(path:)), argument.weight)
    }
    let base = try baseArgument ?? Self.base(namedBy: uses.map(\.adapter))
    cardBase = base.cardModel
    cardAdapters = adapters.map(\.model.cardModel)
    checkpoint = try base.read { try Checkpoint(path: $0, workers: workers, variant: variant) }
    var warnings: [String] = []
    if let repository = base.snapshot?.reference.repository {
      for adapter in uses.map(\.adapter) {
        guard let name = adapter.baseModelName, let named = try? HubReference(name),
          named.repository.lowercased() != repository.lowercased(), named.repository.contains("/")
        else { continue }
        warnings.append("\(adapter.path): names the base \"\(name)\"; it is merged into \(base.title)")
      }
    }
    self.warnings = warnings
  }

  /// One path is given, and it is not an adapter that names its base.
  private static func missingAdapter(_ path: String, _ kind: ModelFolder) -> ValidationError {
    let path = path.escapingUnprintable
    let command = "safemerge merge \(path) ADAPTER -o OUTPUT"
    return switch kind {
    case .both:
      ValidationError(
        "\(path) holds a model and an adapter", hint: "to merge them: safemerge merge \(path) \(path) -o OUTPUT")
    case .model: ValidationError("no adapter is given, and \(path) is a model", hint: command)
    case .adapter, .neither: ValidationError("no adapter is given", hint: command)
    }
  }

  /// Nil if the argument is not an adapter's folder.
  private static func adapter(_ text: String) throws -> AdapterArgument? {
    guard let argument = try? AdapterArgument(text), ModelFolder(argument.model.path) == .adapter else { return nil }
    return argument
  }

  /// The base that all adapters name, if it is a Hugging Face model in the cache. A path in a file is never opened.
  private static func base(namedBy adapters: [Adapter]) throws -> ModelArgument {
    var found: (name: String, adapter: Adapter)?
    for adapter in adapters {
      guard let name = adapter.baseModelName, !name.isEmpty else {
        throw UnknownBase(file: adapter.configPath, problem: .notNamed)
      }
      if let found, found.name != name {
        throw UnknownBase(file: adapter.configPath, problem: .differs(name, other: found.name))
      }
      found = (name, adapter)
    }
    guard let (name, adapter) = found else { throw ValidationError("no adapter is given") }
    guard let reference = try HubReference(name), reference.revision == nil else {
      throw UnknownBase(file: adapter.configPath, problem: .local(name))
    }
    let revision = adapter.config.revision
    do {
      return try ModelArgument(
        HubReference(repository: reference.repository, revision: revision?.isEmpty == false ? revision : nil))
    } catch let error as HubError {
      // A name without an organization, or that exists here, is more likely a path.
      let exists = (try? SystemCalls.identity(path: name)) != nil
      guard error.problem == .repositoryNotCached, exists || !name.contains("/") else { throw error }
      throw UnknownBase(file: adapter.configPath, problem: exists ? .local(name) : .notFound(name))
    }
  }
}

extension ModelArgument {
  /// The model as a model card names it.
  fileprivate var cardModel: ModelCardRequest.Model {
    snapshot.map(ModelCardRequest.Model.init) ?? ModelCardRequest.Model(path: SystemCalls.realPath(path) ?? path)
  }
}

/// No base was given, and the adapters do not identify one.
struct UnknownBase: ReportableError {
  enum Problem {
    case notNamed
    case differs(String, other: String)
    case notFound(String)
    /// It is a path that exists.
    case local(String)
  }

  let file: String?
  let problem: Problem
  var errorClass: String { "base" }
  var category: ErrorCategory { .refusedInput }

  var message: String {
    switch problem {
    case .notNamed: "no base is given, and the adapter does not name one (base_model_name_or_path)"
    case .differs(let name, let other):
      "no base is given, and this adapter names \"\(name)\", another one \"\(other)\""
    case .local(let name):
      "no base is given, and the adapter names the local path \"\(name)\", which is never opened"
    case .notFound(let name):
      "no base is given, and the adapter names \"\(name)\", which is not in the Hugging Face cache"
    }
  }

  var hint: String? {
    // Text from a file is put into a command only if no shell would read more into it.
    if case .local(let name) = problem, name.utf8.allSatisfy(Self.isPlain) {
      return "pass it first: safemerge merge \(name) ADAPTER -o OUTPUT"
    }
    return "pass the base first: safemerge merge BASE ADAPTER -o OUTPUT"
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "./_-".utf8.contains(byte)
    }
  }
}
