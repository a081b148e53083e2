import JSONText
import Platform

/// Why a safetensors file was refused, one case a rule.
///
/// The rules and their order are those of the reference's `SafeTensors::read_metadata` (safetensors 0.8.0), with
/// duplicate keys and integers beyond Int64 refused as well.
public struct SafetensorsError: ReportableError, Equatable {
  public enum Problem: Equatable, Sendable {
    /// The file itself could not be read or written.
    case file(FileError.Problem)
    /// Fewer bytes than the header's length says, or fewer than 8.
    case truncated(found: UInt64, expected: UInt64)
    case headerTooLarge(byteCount: UInt64, lookalike: Lookalike?)
    case invalidUTF8(offset: Int)
    case json(JSONError)
    case duplicateKey(String)
    case schema(String)
    case unknownDType(String)
    /// Elements or bits of a shape do not fit 64 bits.
    case overflow(shape: [UInt64], dtype: DType)
    /// A type narrower than a byte whose elements do not fill the last byte.
    case partialByte(shape: [UInt64], dtype: DType)
    case sizeMismatch(shape: [UInt64], dtype: DType, expected: UInt64, found: UInt64)
    /// A tensor does not begin where the one before it ended, or ends before it begins.
    case offsets(begin: UInt64, end: UInt64, expectedBegin: UInt64)
    /// The tensors do not end where the file ends.
    case coverage(fileByteCount: UInt64, described: UInt64)
    case noSuchTensor
    /// A dtype that is not read or written as fp32.
    case notFloats(DType)
  }

  /// The file as the caller named it; empty if no file is involved yet.
  public let path: String
  public let problem: Problem
  public let tensorName: TensorName?

  public init(path: String, _ problem: Problem, tensor: TensorName? = nil) {
    self.path = path
    self.problem = problem
    self.tensorName = tensor
  }

  package init(_ error: FileError) { self.init(path: error.path, .file(error.problem)) }

  /// Calls `body`; a file that cannot be read or written in it is an error of the format's reader or writer.
  package static func attempt<Value: ~Copyable>(
    _ body: () throws(FileError) -> Value
  ) throws(SafetensorsError) -> Value {
    do throws(FileError) { return try body() } catch { throw SafetensorsError(error) }
  }

  public var file: String? { path.isEmpty ? nil : path }
  public var tensor: String? { tensorName?.string }

  public var errorClass: String {
    switch problem {
    case .file(let problem): problem.errorClass
    case .truncated: "truncated"
    case .headerTooLarge(let byteCount, let lookalike):
      lookalike != nil || byteCount > Self.largestPlausibleHeader ? "format" : "header-too-large"
    case .invalidUTF8: "utf8"
    case .json(let error):
      if case .duplicateKey = error.reason { "duplicate-key" } else { "json" }
    case .duplicateKey: "duplicate-key"
    case .schema: "schema"
    case .unknownDType: "dtype"
    case .overflow: "overflow"
    case .partialByte: "subbyte"
    case .sizeMismatch: "size-mismatch"
    case .offsets: "offsets"
    case .coverage(let fileByteCount, let described): fileByteCount < described ? "truncated" : "coverage"
    case .noSuchTensor: "missing-tensor"
    case .notFloats: "dtype"
    }
  }

  /// A file that begins with text has a larger one by its first bytes.
  private static let largestPlausibleHeader: UInt64 = 1 << 40

  /// The hint for a GGUF file.
  package static let ggufHint =
    "GGUF is not supported; merge into the original safetensors model and convert the result to GGUF"

  public var category: ErrorCategory {
    switch problem {
    case .file(let problem): problem.category
    default: .refusedInput
    }
  }

  public var message: String {
    switch problem {
    case .file(let problem): problem.message
    case .truncated(let found, let expected):
      expected == 8
        ? "truncated: the file has \(found) bytes, a safetensors file has at least 8"
        : "truncated: the file has \(found) bytes, its header alone needs \(expected)"
    case .headerTooLarge(let byteCount, let lookalike):
      if let lookalike {
        "not a safetensors file but \(lookalike.rawValue)"
      } else if byteCount > Self.largestPlausibleHeader {
        "not a safetensors file"
      } else {
        "the header has \(byteCount) bytes; at most \(SafetensorsHeader.largestHeaderByteCount) are allowed"
      }
    case .invalidUTF8(let offset): "the header is not UTF-8 at byte \(offset)"
    case .json(let error): "the header is not valid JSON: \(error)"
    case .duplicateKey(let key): "\"\(key)\" is in the header twice"
    case .schema(let what): what
    case .unknownDType(let name): "unknown dtype \"\(name)\""
    case .overflow(let shape, let dtype): "shape \(shape) of \(dtype.name) does not fit 64 bits"
    case .partialByte(let shape, let dtype): "shape \(shape) of \(dtype.name) does not end on a byte"
    case .sizeMismatch(let shape, let dtype, let expected, let found):
      "shape \(shape) of \(dtype.name) needs \(expected) bytes, its data_offsets hold \(found)"
    case .offsets(let begin, let end, let expectedBegin):
      end < begin
        ? "data_offsets [\(begin), \(end)] end before they begin; expected to begin at \(expectedBegin)"
        : "data_offsets [\(begin), \(end)], expected to begin at \(expectedBegin), where the tensor before ends"
    case .coverage(let fileByteCount, let described):
      fileByteCount < described
        ? "truncated: the file has \(fileByteCount) bytes, its header describes \(described)"
        : "the file has \(fileByteCount) bytes, its header describes \(described)"
    case .noSuchTensor: "no such tensor"
    case .notFloats(let dtype): "the dtype is \(dtype.name); expected F32, F16, BF16 or, for reading, F64"
    }
  }

  public var hint: String? {
    switch problem {
    case .headerTooLarge(_, .gguf?): Self.ggufHint
    case .headerTooLarge(_, let lookalike): lookalike?.hint
    case .coverage(let fileByteCount, let described) where fileByteCount < described:
      "interrupted download? download the file again"
    case .truncated: "interrupted download? download the file again"
    case .file(let problem): problem.hint
    default: nil
    }
  }
}
