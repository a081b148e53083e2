import Platform
import Safetensors

/// The reason that a planned merge failed.
public struct MergeError: ReportableError, Equatable {
  public enum Problem: Equatable, Sendable {
    /// Finite elements of the base became infinite or NaN, in these rows of the tensor.
    case nonFinite(count: UInt64, rows: Range<Int>, dtype: DType)
    /// All of so many numbers other than zero would be zeros.
    case underflow(count: Int, dtype: DType)
    /// An adapter says that two tensors hold the same change, and they do not.
    case notEqual(other: TensorName)
    /// Layers that share a module of the base have changes of their own.
    case sharedModule(String, other: TensorName)
    /// A tensor of an adapter is beside a copy of it that has other values.
    case notACopy(of: TensorName)
    /// A file is no longer the one that was planned with.
    case changed
    /// The base's file is not the one that a part of the merge read; whether it may be a copy, with another time alone.
    case otherBase(copies: Bool)
    /// The output was to share blocks with this input, and the file system cannot.
    case notShareable(input: String)
    /// The merge needs more memory than it may have.
    case memory(needed: Int, limit: Int)
    /// The numbers of a file's codes are not those of their format.
    case codeMap(String)
    /// The scale of a block of new codes has no number in the dtype of the scales.
    case scaleOverflow(DType)
    /// Something about codes that is only seen in their data.
    case codes(String)
    /// An adapter has a value for a place outside of the tensor.
    case place(row: Int, column: Int, rows: Int, columns: Int)
    /// A decomposition of the tensor is not determined by its data.
    case undetermined(String)
    /// The plan contradicts itself; a fault of this program, found before anything wrong was written.
    case inconsistentPlan(String)
  }

  public let path: String
  public let tensorName: TensorName?
  public let problem: Problem

  public init(path: String, tensor: TensorName?, _ problem: Problem) {
    self.path = path
    self.tensorName = tensor
    self.problem = problem
  }

  public var file: String? { path }
  public var tensor: String? { tensorName?.string }

  public var errorClass: String {
    switch problem {
    case .nonFinite: "nonfinite"
    case .underflow: "underflow"
    case .notEqual, .sharedModule: "tied"
    case .changed, .otherBase: "changed"
    case .notShareable: "reflink"
    case .memory: "memory"
    case .codeMap, .codes, .scaleOverflow: "quantized"
    case .place: "shape"
    case .undetermined: "unsupported"
    case .notACopy: "adapter-conflict"
    case .inconsistentPlan: "internal"
    }
  }

  public var category: ErrorCategory {
    switch problem {
    case .nonFinite, .underflow, .notEqual, .sharedModule, .memory, .codeMap, .codes, .scaleOverflow, .place,
      .notACopy, .undetermined:
      .refusedInput
    case .changed, .otherBase, .notShareable, .inconsistentPlan: .inputOutput
    }
  }

  public var message: String {
    switch problem {
    case .nonFinite(let count, let rows, let dtype):
      "\(NumberText.counted(Int(clamping: count), "finite element")) in rows \(rows.lowerBound) to \(rows.upperBound - 1) "
        + "would become infinite or NaN in \(dtype.name)"
    case .underflow(let count, let dtype):
      "\(NumberText.counted(count, "element")) other than zero, and all of them would become zero in \(dtype.name)"
    case .notEqual(let other):
      "\(other) is the same tensor in the base, or tied to it by ensure_weight_tying, but the adapter has other values for it"
    case .sharedModule(let module, let other):
      "the base shares the weight of this layer with \(module), and \(other) changes that weight differently; one weight "
        + "can't hold both"
    case .notACopy(let original): "not equal to \(original), which PEFT saves under both names"
    case .changed: "the file changed since the merge was planned"
    case .otherBase(let copies):
      copies ? "has another time than a part of the merge saw" : "is not the file that a part of the merge read"
    case .notShareable(let input):
      "cannot share blocks with \(input): the file system does not support it, or the two are on different ones"
    case .memory(let needed, let limit):
      "the merge needs at least \(NumberText.bytes(needed)) of memory; --memory allows \(NumberText.bytes(limit))"
    case .codeMap(let format): "its quant_map is not the one of \(format)"
    case .scaleOverflow(let dtype): "the scale of a block would be too large for \(dtype.name)"
    case .codes(let what): "its quantized values have \(what)"
    case .place(let row, let column, let rows, let columns):
      "an adapter has a value for row \(row), column \(column), but the tensor has \(rows) rows and \(columns) columns"
    case .undetermined(let what): "\(what), so what the adapter was trained with is not determined"
    case .inconsistentPlan(let what): "internal error: \(what)"
    }
  }

  public var hint: String? {
    switch problem {
    case .nonFinite(_, _, .f16): "the delta is too large for F16; is the adapter damaged, or its alpha wrong?"
    case .nonFinite: "is the adapter damaged?"
    case .underflow(_, .f16): "add --dtype bfloat16 or --dtype float32"
    case .underflow: "add --dtype float32"
    case .otherBase(copies: true):
      "run all parts again: what was made from another file is written again; if every machine has a copy of its own, add --base-copies to all"
    case .otherBase(copies: false): "remove the parts with safemerge clean OUTPUT --yes, and run them with one base"
    case .notEqual: "--tied split writes both"
    case .notACopy: "take the adapter as PEFT saved it"
    case .sharedModule: "run the adapter with PEFT, which keeps one update per layer"
    case .notShareable: "--reflink auto shares what can be shared and copies the rest"
    case .memory(let needed, _): "use --memory \((needed + (1 << 20) - 1) >> 20)M"
    default: nil
    }
  }
}
