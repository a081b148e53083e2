import Adapters
import ModelNames
import Safetensors

/// An adapter and how much of it is merged.
public struct AdapterUse: Sendable {
  public let adapter: Adapter
  /// How much, where parts of the model differ in that.
  public let weights: AdapterWeight
  /// Multiplies the scaling of every module whose part has no weight of its own, in double; 1 merges the adapter as it is.
  public var weight: Double { weights.whole }

  public init(_ adapter: Adapter, weight: Double = 1) { self.init(adapter, AdapterWeight(weight)) }

  public init(_ adapter: Adapter, _ weights: AdapterWeight) {
    self.adapter = adapter
    self.weights = weights
  }
}

/// The options of a merge.
public struct MergeOptions: Sendable, Equatable {
  /// What to do where an adapter would make the head and the embedding of a model differ that keeps them as one tensor.
  public enum Tied: String, Sendable, CaseIterable {
    /// Refuse.
    case refuse
    /// Change the one tensor: head and embedding both change, which is not what the adapter computed.
    case shared
    /// Write both and say so in config.json: exactly what the adapter computed.
    case split
  }

  /// The number of times that the delta of a MultiheadAttention's out_proj is added.
  public enum AttentionOutput: String, Sendable, CaseIterable {
    /// As PEFT up to 0.21.2 does in training, inference and merge.
    case twice
    case once
  }

  /// The places of roundings.
  public enum Arithmetic: String, Sendable, CaseIterable {
    /// Once, at the end: the sum of all deltas is added in fp32 and rounded.
    case exact
    /// Where PEFT 0.21.2 rounds: after each adapter, for some kinds of modules the delta before it is added, and with the
    /// sums of ranks above 192 in the blocks of its matrix product.
    case peft
  }

  public var arithmetic = Arithmetic.exact
  /// How the columns of an expert stack's B are ordered, whatever the adapter says; nil: as it says.
  public var expertLayout: ExpertLayout?
  /// The dtype of merged tensors and of copied F32, F16 and BF16 ones; nil: each keeps its own.
  public var outputDType: DType?
  public var tied = Tied.refuse
  public var attentionOutput = AttentionOutput.twice
  /// Whether tensors that the base doesn't have, such as a classifier, are added to it.
  public var addsTensors = false
  /// Renamings of the adapters' names, before every other rule: the first whose pattern is found in a name is used, and
  /// every one must be.
  public var nameMaps: [NameMap] = []

  /// Whether weights of linear layers are stored (in, out), as the Conv1D of GPT-2, where nothing else tells it.
  public var fanInFanOut: Bool?

  /// Whether quantized weights that are merged are written in the base's own format again, not as numbers.
  public var requantizes = false

  /// How the base's linear layers were quantized while the adapters were trained: the merge starts from what those
  /// weights were then; nil: from the base's.
  public var qlora: QLoRAQuantization?

  /// How the result is divided among weight files.
  public var fileSizes = ShardingPolicy.asBase

  /// What the result's files say of the merge; nil: the names of the adapters alone, where the base's files name what they
  /// were merged from.
  public var origin: ResultOrigin?

  public init(outputDType: DType? = nil) { self.outputDType = outputDType }
}
