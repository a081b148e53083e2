import JSONText
import Platform
import Safetensors

/// The reason that an adapter was refused.
public struct AdapterError: ReportableError, Equatable {
  /// One case for each rule, with what broke it.
  public enum Problem: Error, Equatable, Sendable {
    /// A system call on the folder failed.
    case system(call: String, code: Int32)
    /// A file could not be read, or the weights are not a safetensors file.
    case file(SafetensorsError)
    /// The path is a file.
    case notAFolder
    /// The folder lacks one of the two files.
    case missingFile(String)
    /// The folder has no config, and which of those inside it is meant is open.
    case severalAdapters([String])
    /// The folder has a config and no weights, and several folders inside it have weights.
    case severalWeights([String])
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
    /// The config has no `r`, and the factors have several, or it has no alpha either: the scaling is not known.
    case scalingUnknown(ranks: [Int], hasRank: Bool, hasAlpha: Bool)
    /// The weights of another trainer, whose config says nothing of them.
    case trainerConfig(String, missing: String, found: String?)
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

    /// A tensor's name begins more than twice with PEFT's prefix.
    case keyRepeatedPrefix(String, count: Int)
    /// Tensors' names hold the names of two adapters.
    case adapterNames(found: String, other: String)
    /// One factor is stored as PEFT does it, and the other one transposed.
    case mixedOrientation(other: String)
    /// Two names mean the same tensor.
    case sameMeaning(other: String)
    /// Two tensors replace the same tensor of the base.
    case sameTarget(String, other: String)
    /// Nothing stands between prefix and suffix of a tensor's name.
    case keyWithoutModule
    /// A tensor that no known PEFT writes.
    case unknownKey
    /// Tensors of a file without a config whose names mean nothing: some of the others, how many they are, and whether they are
    /// all of the file.
    case unknownKeys(others: [String], count: Int, isAll: Bool)
    /// A tensor of something that is not merged.
    case foreign(ForeignKind)
    /// A method that the file has in a form that is not supported.
    case unsupportedMethod(String)
    /// Factors of GLoRA that fit both of its forms.
    case eitherGLoRA
    /// The alpha of a method that LyCORIS saves without the root of the rank, where its training divided by it.
    case rankStabilized(String)
    /// `reshape_weight` beside another method than LoRA; nil: beside nothing.
    case paddedWeight(String?)
    /// `reshape_weight` is not the shape that the factors make: what it is, empty if it is no shape, and what they make.
    case newShape([Int], factors: String)
    /// An alpha that is zero or not finite.
    case alpha(Double)
    /// A tensor of one number has another dtype than numbers have.
    case scalarDType(DType)
    /// `on_input` is neither 0 nor 1.
    case onInput(Double)
    /// A file has tensors of alpha, and `lora_adapter_metadata` too.
    case alphaAndMetadata
    /// What is wrong with `lora_adapter_metadata`.
    case metadata(String)
    /// The weights of a folder, which has the config beside them.
    case weightsOfFolder
    /// A file of another kind than safetensors.
    case otherFile
    /// A file has no tensor that changes a model.
    case nothingToMerge

    /// A module has some of its tensors, but not this one.
    case missingFactor(missing: String)
    /// A tensor of OFT as PEFT before 0.16 wrote it.
    case oldOFT
    /// A module has both a tensor and its replacement in other modules.
    case excluded(other: String)
    /// A module has the bias of lora_B in both spellings.
    case biasTwice(other: String)
    /// A module has a bias of lora_B, but the config's `lora_bias` is not true.
    case biasNotDeclared
    /// A base's bias is there, but the config's `bias` is "none".
    case baseBiasNotDeclared
    /// A module has magnitudes, but the config's `use_dora` is not true.
    case magnitudeNotDeclared
    /// A module has KaSA's diagonal, but the config has no `kasa_config`.
    case diagonalNotDeclared
    /// A tensor of a variant whose field the config lacks.
    case variantNotDeclared(String)
    /// A module has factors of an embedding and of a linear layer.
    case embeddingAndLinear
    /// A field of the config that PEFT refuses for such a layer.
    case impossible(String, of: String)
    /// A module whose weight PEFT cannot change so.
    case decomposition(Decomposition, of: String)
    /// A module is in both lists of `use_bdlora`.
    case blocksInBoth
    /// A module is in neither, although all must be.
    case blocksInNeither
    /// A size cannot be divided into the blocks of `use_bdlora`.
    case blocks(Int, String, size: Int)

    /// An update inside a module that is neither an attention block nor has updated parameters.
    case unknownContainer(String)
    /// An update inside another, without `target_parameters`.
    case nestedUpdate(depth: Int)
    /// A module has updates at these depths for other than so many parameters.
    case parameterCount(parameters: [String], depths: [Int])
    /// Which of several vectors a module has depends on the order of all modules in memory.
    case vectorUnknown(modules: Int, groups: Int)
    /// The order in which a module registers its parameters is not known.
    case parameterOrder(parameters: [String], unknown: String)

    /// The base's own copy of a module, without a trained one.
    case originalAlone(String)
    /// `modules_to_save` has names, but no tensor of any of them is there.
    case missingSavedModules([String])
    /// There are token rows of a module that `trainable_token_indices` does not name.
    case tokensNotDeclared
    /// A list of tokens for one embedding, but rows of two.
    case tokensOfSeveral(other: String)
    /// Two names of `trainable_token_indices` mean the same module.
    case tokensNamedTwice(String, String)
    /// The rows of an entry of `trainable_token_indices` are missing.
    case missingTokenRows(String)

    /// A factor of a type that is not supported.
    case dtype(DType)
    /// A tensor with other dimensions than its role asks for.
    case shape(expected: String, found: [Int])
    /// A factor with another rank than the config says, in `field`; `pattern`: the key of `rank_pattern` that says it.
    case rank(expected: Int, found: Int, shape: [Int], field: String = "r", pattern: String?)
    /// The number of rows of A is not divisible by the rank.
    case expertRank(rank: Int, found: Int, shape: [Int], pattern: String?)
    /// The config names modules, but there is no update.
    case noLayers
    /// There is no tensor at all.
    case noTensors
    /// A tensor has another number of uses than one.
    case uses(Int)
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
    case .system(let call, let code): SystemCalls.isAboutMissingPath(call, code) ? "not-found" : "system"
    case .notAFolder, .missingFile, .severalAdapters, .severalWeights: "not-found"
    case .pickle, .otherFile: "pickle"
    case .configTooLarge, .configNotJSON, .configNotAnObject, .fieldType, .scalingUnknown, .trainerConfig, .metadata,
      .weightsOfFolder:
      "adapter-config"
    case .pattern, .patterns: "adapter-pattern"
    case .peftType, .oldOFT, .unsupportedField, .impossible, .decomposition, .foreign, .unsupportedMethod, .eitherGLoRA,
      .rankStabilized,
      .paddedWeight, .newShape,
      .alpha, .onInput:
      "unsupported"
    case .unknownField: "unknown-field"
    case .keyRepeatedPrefix, .adapterNames, .keyWithoutModule, .unknownKey, .originalAlone, .variantNotDeclared,
      .mixedOrientation, .unknownKeys:
      "adapter-key"
    case .sameMeaning, .sameTarget, .biasTwice, .excluded, .embeddingAndLinear, .uses, .alphaAndMetadata:
      "adapter-conflict"
    case .missingFactor, .biasNotDeclared, .baseBiasNotDeclared, .magnitudeNotDeclared, .diagonalNotDeclared:
      "pair"
    case .vectorUnknown: "unsupported"
    case .unknownContainer, .nestedUpdate, .parameterCount, .parameterOrder: "nesting"
    case .missingSavedModules: "modules-to-save"
    case .tokensNotDeclared, .tokensOfSeveral, .tokensNamedTwice, .missingTokenRows: "token-rows"
    case .dtype, .scalarDType: "dtype"
    case .shape, .blocks, .blocksInBoth, .blocksInNeither: "shape"
    case .rank, .expertRank: "rank"
    case .noLayers, .noTensors, .nothingToMerge: "no-layers"
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
