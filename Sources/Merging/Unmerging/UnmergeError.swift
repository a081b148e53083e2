import Adapters
import Platform
import Safetensors

/// The reason that an adapter cannot be taken out of a merged model.
public struct UnmergeError: ReportableError, Equatable {
  public enum Problem: Equatable, Sendable {
    /// The adapter puts its own values in the place of the base's, which are nowhere in the merged model.
    case replaces(String)
    /// The change of the weight depends on the weight before, in this way.
    case notASum(String)
    /// The merged model is quantized: what was rounded to its codes is not known.
    case quantized(String)
    /// The merged model has a record of its merge, and this adapter is not in it.
    case notRecorded(record: String)
    /// The weight that was asked for is not the recorded one.
    case otherWeight(given: String, recorded: String, record: String)
    /// The adapters were combined into one before they were merged.
    case combined(method: String, record: String)
  }

  public let path: String
  public let tensor: String?
  public let problem: Problem

  package init(path: String, tensor: String? = nil, _ problem: Problem) {
    self.path = path
    self.tensor = tensor
    self.problem = problem
  }

  public var file: String? { path }
  public var category: ErrorCategory { .refusedInput }

  public var errorClass: String {
    switch problem {
    case .replaces, .notASum: "not-invertible"
    case .quantized: "quantized"
    case .notRecorded, .otherWeight, .combined: "record"
    }
  }

  public var message: String {
    switch problem {
    case .replaces(let what):
      "cannot be taken out: the adapter replaces \(what), and the base's values are not in the merged model"
    case .notASum(let what): "cannot be taken out: \(what)"
    case .quantized(let format):
      "the merged model is quantized (\(format)), so what the merge rounded away is not known"
    case .notRecorded(let record): "is not among the adapters that were merged (see \(record))"
    case .otherWeight(let given, let recorded, let record):
      "was merged with the weight \(recorded) (see \(record)), not \(given)"
    case .combined(let method, let record):
      "the adapters were combined with --combine \(method) before they were merged (see \(record))"
    }
  }

  public var hint: String? {
    switch problem {
    case .replaces, .notASum: "merge the other adapters into the original base instead"
    case .quantized: "use the base that was merged into"
    case .notRecorded: "--ignore-record takes it out all the same"
    case .otherWeight: "omit the weight, or add --ignore-record"
    case .combined:
      "make that adapter with safemerge combine, then take it out with --ignore-record"
    }
  }
}
