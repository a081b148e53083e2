import Adapters
import Checkpoints
import MergePlanning
import ModelNames
import Platform
import Safetensors

/// An error with suggestions, found on disk near the path that it is about.
struct ExplainedError: ReportableError {
  let error: any ReportableError
  let hint: String?
  let candidates: [String]
  var errorClass: String { error.errorClass }
  var category: ErrorCategory { error.category }
  var file: String? { error.file }
  var tensor: String? { error.tensor }
  var message: String { error.message }

  /// Nil if there is nothing to add.
  init?(_ error: any ReportableError) {
    guard let path = error.file else { return nil }
    var candidates: [String] = []
    var hint: String?
    switch Self.mistake(error) {
    case .noSuchPath:
      candidates = NearPaths.find(path)
      hint = candidates.isEmpty ? nil : "did you mean \(candidates.joined(separator: " or "))?"
    case .notAnAdapter where ModelFolder(path).isModel:
      hint = "this is a model: the base comes first, then the adapters"
    case .notAModel where ModelFolder(path) == .adapter:
      hint = "this is an adapter: the base comes first, then the adapters"
    case .notAModel where error.hint == nil:
      candidates = NearPaths.models(in: path)
      hint = candidates.isEmpty ? nil : "models in it: \(candidates.joined(separator: ", "))"
    default: break
    }
    guard let hint else { return nil }
    self.error = error
    self.hint = [hint, error is HubError ? error.hint : nil].compactMap { $0 }.joined(separator: " or ")
    self.candidates = candidates
  }

  private enum Mistake { case noSuchPath, notAnAdapter, notAModel }

  private static func mistake(_ error: any ReportableError) -> Mistake? {
    switch error {
    case let error as CheckpointError:
      switch error.problem {
      case .notFound: .noSuchPath
      case .noWeights: .notAModel
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
      let most = max(2, component.utf8.count / 4)
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

  private static func exists(_ path: String) -> Bool { (try? SystemCalls.identity(path: path)) != nil }

  private static func entries(_ folder: String) -> [String] {
    let entries = (try? SystemCalls.entries(ofFolder: folder)) ?? []
    return entries.count <= entryLimit ? entries : []
  }
}
