import Platform
import Safetensors

/// Why a Hugging Face model was not found in the local cache.
public struct HubError: ReportableError {
  public enum Problem: Equatable, Sendable {
    /// The text starts like a Hugging Face address but is not a valid one.
    case malformed(String)
    /// The cache has nothing of the repository.
    case repositoryNotCached
    /// The cache has the repository, but not this revision.
    case revisionNotCached(cached: [String])
    /// The snapshot has no such file, or only a link whose blob is missing.
    case fileNotCached(String, commit: String)
    /// The cache records that the repository has no such file at this commit.
    case fileDoesNotExist(String, commit: String)
    case system(call: String, code: Int32)
  }

  /// As the caller named it.
  public let reference: String
  public let problem: Problem
  /// The path that was searched; empty if none was.
  public let cache: String
  /// The command that downloads what is missing; nil if no command does.
  public let download: String?

  init(reference: String, _ problem: Problem, cache: String = "", download: String? = nil) {
    self.reference = reference
    self.problem = problem
    self.cache = cache
    self.download = download
  }

  public var errorClass: String {
    switch problem {
    case .malformed: "hub-address"
    case .system: "system"
    default: "not-cached"
    }
  }

  public var category: ErrorCategory {
    switch problem {
    case .malformed, .fileDoesNotExist: .refusedInput
    default: .inputOutput
    }
  }

  public var file: String? { reference }

  public var message: String {
    switch problem {
    case .malformed(let what): "not a valid Hugging Face address: \(what)"
    case .repositoryNotCached: "no such file or folder, and not in the Hugging Face cache \(cache)"
    case .revisionNotCached(let cached):
      "this revision is not in the Hugging Face cache \(cache)"
        + (cached.isEmpty ? "" : "; it has \(cached.joined(separator: ", "))")
    case .fileNotCached(let file, let commit): "the cached snapshot \(commit.prefix(12)) has no file \(file)"
    case .fileDoesNotExist(let file, let commit): "the repository has no file \(file) at \(commit.prefix(12))"
    case .system(let call, let code): SystemCalls.message(of: call, code: code)
    }
  }

  public var hint: String? { download.map { "download it with: \($0)" } }
}
