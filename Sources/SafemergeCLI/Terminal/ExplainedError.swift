import Adapters
import Checkpoints
import MergePlanning
import ModelNames
import Platform
import Safetensors
import Staging

/// An error with suggestions, found on disk near the path that it is about, or in how the path is written.
struct ExplainedError: ReportableError {
  let error: any ReportableError
  let hint: String?
  let candidates: [String]
  let message: String
  var errorClass: String { error.errorClass }
  var category: ErrorCategory { error.category }
  var file: String? { error.file }
  var tensor: String? { error.tensor }

  /// Nil if there is nothing to add.
  init?(_ error: any ReportableError) {
    guard let path = error.file else { return nil }
    var candidates: [String] = []
    var hints: [String] = []
    var message = error.message
    switch Self.mistake(error) {
    case .noSuchPath:
      if let spelling = PathSpelling.hint(path) {
        hints = [spelling]
      } else {
        candidates = NearPaths.find(path)
        if !candidates.isEmpty { hints = ["did you mean \(candidates.joined(separator: " or "))?"] }
        if error is HubError { hints += [error.hint].compactMap { $0 } }
      }
    case .notAnAdapter where ModelFolder(path).isModel:
      message = "this is a model, not an adapter"
      hints = [Self.order]
    case .notAnAdapter:
      hints = [NearPaths.contents(of: path)]
    case .notAModel where ModelFolder(path) == .adapter:
      message = "this is an adapter, not a model"
      hints = [Self.order]
    case .notAModel:
      candidates = NearPaths.models(in: path)
      if !candidates.isEmpty { hints = ["models in it: \(candidates.joined(separator: ", "))"] }
      if candidates.isEmpty, error.hint == nil { hints = [NearPaths.contents(of: path)] }
    case .noSuchOutputFolder:
      hints = ["choose an output on a writable file system"]
    case .notThisUser(let folder, let owner):
      hints = [
        "\(folder) belongs to user \(owner), and this is user \(Machine.userID): all parts of a merge run as one user"
      ]
    case nil: break
    }
    guard !hints.isEmpty else { return nil }
    self.error = error
    self.message = message
    self.hint = hints.joined(separator: " or ")
    self.candidates = candidates
  }

  /// How the command's arguments are written.
  private static var order: String {
    switch CommandLineWords(Array(CommandLine.arguments.dropFirst())).command {
    case "extract": "both are models: safemerge extract BASE TUNED -o OUTPUT"
    case "resize": "it resizes an adapter: safemerge resize ADAPTER --rank RANK -o OUTPUT"
    case "convert": "the base is an option: safemerge convert ADAPTER --to DIALECT --base BASE -o OUTPUT"
    case "combine": "it combines adapters, without a base: safemerge combine ADAPTER ADAPTER -o OUTPUT"
    case "unmerge": "the model comes first, then the adapters: safemerge unmerge MERGED ADAPTER -o OUTPUT"
    default: "the base comes first, then the adapters: safemerge merge BASE ADAPTER -o OUTPUT"
    }
  }

  private enum Mistake {
    case noSuchPath, notAnAdapter, notAModel, noSuchOutputFolder
    /// The parts of a merge belong to another user.
    case notThisUser(folder: String, owner: UInt32)
  }

  /// The parts of another user's merge in which a path lies, for a call that the user may not do.
  private static func notThisUser(_ path: String) -> Mistake? {
    guard let folder = UnfinishedWork.folder(in: path), folder.hasSuffix("-parts"),
      let owner = try? SystemCalls.identity(path: folder)?.owner, owner != Machine.userID
    else { return nil }
    return .notThisUser(folder: folder, owner: owner)
  }

  private static func mistake(_ error: any ReportableError) -> Mistake? {
    switch error {
    case let error as CheckpointError:
      switch error.problem {
      case .notFound: .noSuchPath
      case .noWeights, .pickleOnly: .notAModel
      case .system(_, let code) where SystemCalls.notAllowed.contains(code) && notThisUser(error.path) != nil:
        notThisUser(error.path)
      case .stagingNotOurs: notThisUser(error.path)
      case .system("mkdir", _): .noSuchOutputFolder
      default: nil
      }
    case let error as AdapterError:
      switch error.problem {
      case .system(_, SystemCalls.noSuchFile): .noSuchPath
      case .missingFile("adapter_config.json"): .notAnAdapter
      default: nil
      }
    case let error as SafetensorsError:
      if case .file(.system("open", SystemCalls.noSuchFile)) = error.problem { .noSuchPath } else { nil }
    case let error as FileError:
      if case .system("open", SystemCalls.noSuchFile) = error.problem { .noSuchPath } else { nil }
    case let error as HubError: error.problem == .repositoryNotCached ? .noSuchPath : nil
    default: nil
    }
  }
}

/// Paths that are written as another tool writes them.
enum PathSpelling {
  /// What to write instead of a path that does not exist; nil if it is no such spelling.
  static func hint(_ path: String) -> String? {
    for prefix in ["https://", "http://"] where path.hasPrefix(prefix) {
      let parts = path.dropFirst(prefix.count).split(separator: "/").map(String.init)
      guard parts.count >= 3, ["huggingface.co", "www.huggingface.co", "hf.co"].contains(parts[0]) else {
        return "safemerge opens no URLs; download the model and pass its folder"
      }
      let revision = parts.count > 4 && ["tree", "blob", "resolve"].contains(parts[3]) ? "@\(parts[4])" : ""
      return "pass the model ID: \(parts[1])/\(parts[2])\(revision)"
    }
    guard let colon = path.lastIndex(of: ":"), colon > path.startIndex else { return nil }
    let (name, rest) = (String(path[..<colon]), String(path[path.index(after: colon)...]))
    if Double(rest) != nil { return "did you mean \(name)=\(rest)? A weight is written ADAPTER=WEIGHT" }
    guard name.split(separator: "/").count == 2, !rest.isEmpty, (try? HubReference(name)) != nil else { return nil }
    return "did you mean \(name)@\(rest)? A revision is written ORG/NAME@REVISION"
  }
}

/// Existing paths that are similar to a missing one: for messages only, similar paths are never opened.
enum NearPaths {
  /// Folders with more entries than this are not searched.
  private static let entryLimit = 10_000
  private static let answerLimit = 3

  /// Paths that differ from `path` in its first component that does not exist, the likeliest first.
  static func find(_ path: String) -> [String] {
    let components = Paths.components(Paths.withoutTrailingSlashes(path))
    var folder = path.utf8.first == UInt8(ascii: "/") ? "/" : ""
    for (place, component) in components.enumerated() where !component.isEmpty {
      let next = Paths.join(folder, component)
      if exists(next) {
        folder = next
        continue
      }
      let rest = components[(place + 1)...].filter { !$0.isEmpty }
      let count = component.utf8.count
      let most = max(1, min(count / 3, max(2, count / 4)))
      let found = entries(folder.isEmpty ? "." : folder).compactMap { entry -> (distance: Int, path: String)? in
        let distance = NearestNames.editDistance(entry.lowercased(), component.lowercased())
        guard distance <= most, distance < component.utf8.count else { return nil }
        let candidate = rest.reduce(Paths.join(folder, entry), Paths.join)
        return exists(candidate) ? (distance, candidate) : nil
      }
      return found.sorted { ($0.distance, $0.path) < ($1.distance, $1.path) }.prefix(answerLimit).map(\.path)
    }
    return []
  }

  /// The direct sub-folders that hold a model.
  static func models(in folder: String) -> [String] {
    entries(folder).sorted().map { Paths.join(folder, $0) }.filter { path in
      ModelFolder(path).isModel
    }.prefix(answerLimit).map { $0 }
  }

  /// What a folder holds, in a few names.
  static func contents(of folder: String) -> String {
    let names = entries(folder).sorted()
    guard !names.isEmpty else { return "the folder is empty" }
    let shown = names.prefix(answerLimit + 1).joined(separator: ", ")
    let more = names.count - min(names.count, answerLimit + 1)
    return "the folder holds \(shown)" + (more > 0 ? " and \(more) more" : "")
  }

  private static func exists(_ path: String) -> Bool { (try? SystemCalls.identity(path: path)) != nil }

  private static func entries(_ folder: String) -> [String] {
    let entries = (try? SystemCalls.entries(ofFolder: folder)) ?? []
    return entries.count <= entryLimit ? entries : []
  }
}
