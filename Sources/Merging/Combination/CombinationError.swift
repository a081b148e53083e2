import Adapters
import Platform
import Safetensors

/// Why adapters cannot be combined.
public struct CombinationError: ReportableError, Equatable {
  public enum Problem: Equatable, Sendable {
    /// Something of an adapter that the combination of factors has no meaning for.
    case unsupported(String)
    /// An adapter that belongs to weights which it changes: the combined one would change them otherwise.
    case decomposition(Decomposition)
    /// The adapters' ranks of one module.
    case ranks([Int])
    /// A factor has infinite or NaN elements.
    case notFinite
    /// A module whose factors have other shapes in another adapter.
    case shapes([Int], other: String, [Int])
    /// A module that is of another kind in another adapter.
    case kinds(other: String)
    /// A tensor that two adapters replace with different values.
    case replacedTwice(other: String)
    case weightedReplacement(Double)
    case tooLarge([Int])
    /// A rank that the module's weight doesn't have.
    case rankTooLarge(Int, rows: Int, columns: Int)
    /// More elements than a quantile is found of.
    case tooManyToClamp(Int)
    /// `cat` with PEFT's roundings into a base that is not F32.
    case roundedBase(DType)
    /// The file is no longer the one that was planned with.
    case changed
    case system(call: String, code: Int32)
    /// A fault of this program, found before anything wrong was written.
    case inconsistent(String)
  }

  public let path: String
  public let tensor: String?
  public let method: String
  public let problem: Problem

  init(path: String, tensor: String? = nil, _ method: CombinationMethod, _ problem: Problem) {
    self.path = path
    self.tensor = tensor
    self.method = method.name
    self.problem = problem
  }

  public var file: String? { path }

  public var errorClass: String {
    switch problem {
    case .unsupported, .decomposition, .weightedReplacement, .tooLarge, .tooManyToClamp, .roundedBase: "unsupported"
    case .notFinite: "nonfinite"
    case .ranks, .rankTooLarge: "rank"
    case .shapes, .kinds: "shape"
    case .replacedTwice: "hit-twice"
    case .changed: "changed"
    case .system: "io"
    case .inconsistent: "internal"
    }
  }

  public var category: ErrorCategory {
    switch problem {
    case .changed, .system, .inconsistent: .inputOutput
    default: .refusedInput
    }
  }

  public var message: String {
    switch problem {
    case .unsupported(let what): "\(what) cannot be combined by \"\(method)\""
    case .decomposition(let change):
      "\(change.rawValue) subtracts a part of the base's weights first, which cannot be combined by \"\(method)\""
    case .ranks(let ranks):
      "\"\(method)\" requires the same rank in all adapters; the ranks are "
        + ranks.map(String.init).joined(separator: ", ")
    case .notFinite: "the factor has infinite or NaN elements"
    case .shapes(let shape, let other, let otherShape): "the shape is \(shape), but \(otherShape) in \(other)"
    case .kinds(let other): "a different kind of module in \(other)"
    case .replacedTwice(let other): "replaced by this adapter, and with other values by \(other)"
    case .weightedReplacement(let weight):
      "replaces a tensor of the base, so a weight of \(weight) has no meaning for it"
    case .tooLarge(let shape): "the shape \(shape) is too large to combine"
    case .rankTooLarge(let rank, let rows, let columns):
      "\"\(method)\" makes factors of rank \(rank), but the weight is only \(rows) x \(columns)"
    case .tooManyToClamp(let count):
      "\(NumberText.grouped(count)) elements in both factors; --svd-clamp supports up to "
        + NumberText.grouped(CombinationDecomposition.quantileLimit)
    case .roundedBase(let dtype):
      "the base is \(dtype.name); --combine \(method) with --arithmetic peft is supported for F32 only"
    case .changed: "the file changed since its header was read"
    case .system(let call, let code): SystemCalls.message(of: call, code: code)
    case .inconsistent(let what): "internal error: \(what)"
    }
  }

  public var hint: String? {
    switch problem {
    case .rankTooLarge: "set a smaller rank with --svd-rank"
    case .ranks: "--combine cat makes the exact weighted sum of adapters of any rank"
    case .unsupported, .kinds:
      "merge them without --combine: safemerge merge BASE ADAPTER... -o OUTPUT; or make a LoRA of each first: safemerge "
        + "convert ADAPTER --to lora --base BASE --energy 0.999 -o OUTPUT"
    case .notFinite: "find the damaged tensor with: safemerge check"
    case .roundedBase: "--arithmetic exact merges the exact weighted sum"
    case .system: "choose another folder for temporary files with SAFEMERGE_TMPDIR"
    default: nil
    }
  }
}
