import Checkpoints
import Platform
import Safetensors

/// The plan of a merge: for every tensor of the output whether it is copied or updated, by what, and where its bytes go.
///
/// Made from headers alone. Tensors are addressed by file, byte offset and strides from here on; names stay for messages.
public struct MergePlan: Sendable, Equatable {
  /// A file that the merge reads.
  public struct Input: Sendable, Equatable {
    public let path: String
    /// Whether it is an adapter's; otherwise it is the base's.
    public let isAdapter: Bool
    package let identity: SystemCalls.Identity
  }

  /// The match of one module of an adapter with the base.
  public struct Module: Sendable, Equatable {
    /// The module's path as the adapter has it, without `base_model.model.`.
    public let name: String
    /// The place of the adapter in the request.
    public let adapter: Int
    /// Nil: the method has none, as the two below.
    public let rank: Int?
    public let alpha: Double?
    /// What multiplies the module's delta, such as alpha / r, times the adapter's weight.
    public let scaling: Double?
    /// The base tensors that it changes.
    public let targets: [TensorName]
    /// The rule by which they were found; nil: by the module's own name.
    public let rule: String?
  }

  /// A rule that finds names of an adapter in the base, and how often it did.
  public struct RuleCount: Sendable, Equatable {
    public let rule: String
    public let count: Int
  }

  /// One weight file of the output.
  public struct Shard: Sendable, Equatable {
    /// Relative to the output's folder.
    public let name: String
    /// N and the header's JSON text.
    public let headerBytes: [UInt8]
    /// What the header has of it.
    package var metadata: [SafetensorsHeader.MetadataEntry] = []
    public let fileByteCount: Int
    /// In the order of their data.
    public let tensors: [Tensor]
  }

  /// The place of a tensor's elements before the merge.
  public struct Source: Sendable, Equatable {
    /// The place of the file in ``inputs``.
    public let input: Int
    public let dtype: DType
    /// The tensor's bytes, counted from the start of the file.
    public let range: Range<Int>

    public init(input: Int, dtype: DType, range: Range<Int>) {
      self.input = input
      self.dtype = dtype
      self.range = range
    }
  }

  /// The content of a tensor of the output.
  public enum Content: Sendable, Equatable {
    /// The bytes of a tensor of the inputs.
    case copied(Source)
    /// What an update makes of a weight. Apart from the others, because it is large and most tensors are copied.
    indirect case computed(from: WeightSource, TensorUpdate, to: WeightEncoding)

    /// What an update starts from; of a copy, which check compares as an update where its dtype differs, the source.
    package var weight: WeightSource {
      switch self {
      case .copied(let source): .numbers(source)
      case .computed(let weight, _, _): weight
      }
    }

    /// Every tensor of the inputs that is read.
    package var sources: [Source] {
      switch self {
      case .copied(let source): [source]
      case .computed(let weight, let update, _): weight.sources + update.views.map(\.source)
      }
    }
  }

  /// One tensor of the output.
  public struct Tensor: Sendable, Equatable {
    public let name: TensorName
    public let shape: [Int]
    public let outputDType: DType
    /// Where its bytes go, counted from the start of the output's file.
    public let outputRange: Range<Int>
    public let content: Content

    /// The base's tensor, or the adapter's that replaces it.
    public var source: Source { content.weight.source }

    /// Nil: the source's bytes are copied.
    public var update: TensorUpdate? {
      switch content {
      case .copied: nil
      case .computed(_, let update, _): update
      }
    }
  }

  public let inputs: [Input]
  public let modules: [Module]
  /// How many of the adapters' other tensors were found by each rule, in the order of the rules' bytes.
  public let otherRules: [RuleCount]
  /// In the order of the base's files; where these are re-sharded, in the order of their tensors.
  public internal(set) var shards: [Shard]
  /// Small files of the output that the merge writes itself, the index last.
  public let textFiles: [TextFile]
  /// What must hold of the adapters' data before anything is written.
  public let equalities: [Equality]
  /// What a person should know before the merge.
  public let warnings: [String]
  /// The same, of stable kinds.
  public internal(set) var notices: [MergeWarning] = []
  /// Rows of the output's input embedding; nil where none is known by its name.
  public let vocabularyRows: Int?
  /// Rows of the base's.
  public let baseVocabularyRows: Int?
  /// Tensors that several adapters change of which one multiplies: each changes what those before it made, in their order.
  public internal(set) var orderedTensorCount = 0
  /// Nil: the base is not quantized.
  public internal(set) var quantization: Quantization? = nil
  /// Files of the base that would be wrong for the result.
  public internal(set) var omittedFiles: Set<String> = []
  /// Nil: nothing is quantized as in training.
  public internal(set) var training: Training? = nil

  public struct TextFile: Sendable, Equatable {
    /// Relative to the output's folder.
    public let name: String
    public let text: [UInt8]

    package init(name: String, text: [UInt8]) {
      self.name = name
      self.text = text
    }
  }

  /// Two matrices of the inputs that must hold the same values.
  public struct Equality: Sendable, Equatable {
    public let one: FactorView
    public let other: FactorView
    /// The tensors that they are, for the error.
    public let oneName: TensorName
    public let otherName: TensorName
    /// The module of the base that both change, where layers share it; nil: they are tied.
    public var sharedBy: String?
    /// Whether one is a copy of the other that the adapter's file has beside it.
    public var isCopy = false
  }

  /// Every rule that found a name, in the order of the rules' bytes; names that are the base's own need none.
  public var rules: [RuleCount] {
    var counts = Dictionary(uniqueKeysWithValues: otherRules.map { ($0.rule, $0.count) })
    for module in modules { if let rule = module.rule { counts[rule, default: 0] += 1 } }
    return counts.sorted { $0.key < $1.key }.map { RuleCount(rule: $0.key, count: $0.value) }
  }

  public var tensorCount: Int { shards.reduce(0) { $0 + $1.tensors.count } }
  public var outputByteCount: Int { shards.reduce(0) { $0 + $1.fileByteCount } }
  /// Whether what becomes of tensors is measured in any case.
  public var measuresTensors: Bool { (quantization?.requantized ?? 0) > 0 || training != nil }
}
