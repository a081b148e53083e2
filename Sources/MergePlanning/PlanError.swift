import Safetensors

/// Why an adapter cannot be merged into a base.
public struct PlanError: ReportableError, Equatable {
  public enum Problem: Equatable, Sendable {
    /// A module of the adapter has no tensor in the base.
    case noTarget(target: String, candidates: [String], otherModules: Int)
    /// The module is the head of a model whose head and embedding are one tensor.
    case tiedHead(embedding: String?)
    case noBias(target: String)
    case targetHitTwice(target: String, other: String)
    /// What the adapter's factor is, and what the base's tensor is.
    case shape(factor: String, found: [Int], target: String, expected: [Int])
    case storedTransposed(target: String, shape: [Int])
    case maybeTransposed(target: String)
    case targetDType(target: String, found: DType)
    case quantizedBase(method: String)
    case adapterTensorsUnused(count: Int)
  }

  public let path: String
  public let tensorName: TensorName?
  public let problem: Problem
  /// The base that the adapter's configuration names.
  public let adapterBase: String?

  public init(path: String, tensor: TensorName?, _ problem: Problem, adapterBase: String? = nil) {
    self.path = path
    self.tensorName = tensor
    self.problem = problem
    self.adapterBase = adapterBase
  }

  public var file: String? { path }
  public var tensor: String? { tensorName?.string }
  public var category: ErrorCategory { .refusedInput }

  public var errorClass: String {
    switch problem {
    case .noTarget, .noBias: "no-target"
    case .tiedHead: "tied"
    case .targetHitTwice: "hit-twice"
    case .shape: "shape"
    case .storedTransposed, .maybeTransposed, .quantizedBase: "unsupported"
    case .targetDType: "dtype"
    case .adapterTensorsUnused: "unused"
    }
  }

  public var message: String {
    switch problem {
    case .noTarget(let target, let candidates, let others):
      "the base has no tensor \(target)"
        + (candidates.isEmpty ? "" : "; nearest: \(candidates.joined(separator: ", "))")
        + (others > 0 ? " (and \(others) more modules have no tensor)" : "")
    case .tiedHead(let embedding):
      "the model ties its head to the embedding (tie_word_embeddings)"
        + (embedding.map { " \($0)" } ?? "")
        + "; merging into one of the two is not supported"
    case .noBias(let target): "lora_bias needs the tensor \(target), which the base has not"
    case .targetHitTwice(let target, let other): "changes \(target), which \(other) changes too"
    case .shape(let factor, let found, let target, let expected):
      "\(factor) is \(found), but \(target) of the base is \(expected)"
    case .storedTransposed(let target, let shape):
      "\(target) of the base is \(shape), stored transposed (a Conv1D of transformers); not supported"
    case .maybeTransposed(let target):
      "\(target) of the base is square and may be stored transposed (a Conv1D of transformers); not supported"
    case .targetDType(let target, let found):
      "\(target) of the base is \(found.name); F32, F16 or BF16 can be merged into"
    case .quantizedBase(let method):
      "quantization_config says \"\(method)\": merging into quantised weights is not supported"
    case .adapterTensorsUnused(let count): "\(count) tensors of the adapter would not be used"
    }
  }

  public var hint: String? {
    switch problem {
    case .noTarget, .shape: adapterBase.map { "the adapter names the base model \"\($0)\"" }
    case .quantizedBase: "merge into the model's original 16-bit weights"
    default: nil
    }
  }
}
