import JSONText
import Safetensors

/// Why an adapter was refused.
public struct AdapterError: ReportableError, Equatable {
  /// One case for each rule, with what broke it.
  public enum Problem: Error, Equatable, Sendable {
    /// A system call on the folder failed.
    case system(call: String, code: Int32)
    /// A file could not be read, or the weights are not a safetensors file.
    case file(SafetensorsError)
    /// The path is a file.
    case notAFolder
    /// The folder lacks one of the two files; `adapterFolders` inside it have a config.
    case missingFile(String, adapterFolders: [String])
    /// The weights are a pickle, which is never opened.
    case pickle

    /// The config is longer than any real one.
    case configTooLarge(byteCount: Int, limit: Int)
    /// The config is not JSON.
    case configNotJSON(JSONError)
    /// The config is another JSON value.
    case configNotAnObject(found: String)
    /// The adapter is no LoRA; nil: the field is missing.
    case peftType(found: String?)
    /// A field of the config has another type or lies outside its range.
    case fieldType(String, expected: String, found: String)
    /// A field of the config asks for something that is not supported.
    case unsupportedField(String, value: String, reason: String, hint: String?)
    /// A field of the config that no known PEFT writes.
    case unknownField(String, value: String)
    /// A key of `rank_pattern` or `alpha_pattern` cannot be used.
    case pattern(field: String, key: String, PatternProblem)
    /// The patterns of a field are too much work together.
    case patterns(field: String, PatternProblem)

    /// A tensor's name does not begin as PEFT's do.
    case keyPrefix(expected: String)
    /// A tensor's name begins twice with PEFT's prefix.
    case keyDoubledPrefix(String)
    /// A tensor's name holds the name of the adapter.
    case keyWithAdapterName(String)
    /// Nothing stands between prefix and suffix of a tensor's name.
    case keyWithoutModule
    /// A tensor of a feature that is not supported.
    case unsupportedKey(String)
    /// A tensor that no known PEFT writes.
    case unknownKey

    /// A module has some of its tensors, but not this one.
    case missingHalf(missing: String)
    /// A module has the bias of lora_B in both spellings.
    case biasTwice(other: String)
    /// A module has a bias of lora_B, but the config's `lora_bias` is not true.
    case biasNotDeclared
    /// A factor of a type that is not supported.
    case dtype(DType)
    /// A factor of a convolution.
    case convolution(shape: [Int])
    /// A tensor with other dimensions than its role asks for.
    case shape(expected: String, found: [Int])
    /// A factor with another rank than the config says; `pattern`: the key of `rank_pattern` that says it.
    case rank(expected: Int, found: Int, shape: [Int], pattern: String?)
    /// There is no tensor to merge.
    case noLayers
  }

  /// The file or folder as the caller named it.
  public let path: String
  /// The rule that was broken.
  public let problem: Problem
  /// The tensor concerned.
  public let tensorName: TensorName?

  /// An error about the file at `path`.
  public init(path: String, _ problem: Problem, tensor: TensorName? = nil) {
    self.path = path
    self.problem = problem
    tensorName = tensor
  }

  /// The same for a file that the layer below refused.
  public init(_ error: SafetensorsError) { self.init(path: error.path, .file(error), tensor: error.tensorName) }

  public var file: String? { path }
  public var tensor: String? { tensorName?.string }

  public var errorClass: String {
    switch problem {
    case .file(let error): error.errorClass
    case .system: "system"
    case .notAFolder, .missingFile: "not-found"
    case .pickle: "pickle"
    case .configTooLarge, .configNotJSON, .configNotAnObject, .fieldType: "adapter-config"
    case .pattern, .patterns: "adapter-pattern"
    case .peftType, .unsupportedField, .unsupportedKey, .convolution: "unsupported"
    case .unknownField: "unknown-field"
    case .keyPrefix, .keyDoubledPrefix, .keyWithAdapterName, .keyWithoutModule, .unknownKey: "adapter-key"
    case .missingHalf, .biasTwice, .biasNotDeclared: "pair"
    case .dtype: "dtype"
    case .shape: "shape"
    case .rank: "rank"
    case .noLayers: "no-layers"
    }
  }

  public var category: ErrorCategory {
    switch problem {
    case .file(let error): error.category
    case .system: .inputOutput
    default: .refusedInput
    }
  }
}
