import Adapters
import Checkpoints
import ImageModels
import ModelNames
import Safetensors

/// What a plan is made from: the base and the adapters, with what their headers and configurations say, and the options.
struct MergeInputs {
  let base: Checkpoint
  let adapters: [AdapterUse]
  let options: MergeOptions
  let quantized: QuantizedBase
  let baseTensors: BaseTensors
  let replication: LayerReplication?
  /// Embeddings and heads, and which of them are one tensor.
  let vocabulary: VocabularyTensors
  /// What the base is as an image or video model; nil: it isn't one, or no adapter asks for its names.
  let images: ImageModel?

  init(base: Checkpoint, adapters: [AdapterUse], options: MergeOptions) throws {
    self.base = base
    self.adapters = adapters
    self.options = options
    quantized = try QuantizedBase(base)
    replication = try Self.replication(adapters, quantized)
    baseTensors = try BaseTensors(base, replication: replication, quantized: quantized)
    vocabulary = VocabularyTensors(
      config: base.config, names: baseTensors.names, task: adapters.compactMap(\.adapter.config.taskType).first,
      bringsHead: options.addsTensors)
    // A language model has a config.json, which says what it is.
    let isAsked = base.config == nil || adapters.contains(where: \.adapter.isFile)
    images =
      isAsked
      ? ImageModel(
        names: baseTensors.names, in: TensorShapes(base: baseTensors, vocabulary: vocabulary, updates: [:])) : nil
  }

  /// How an adapter replicates the base's layers; nil: none does.
  private static func replication(
    _ adapters: [AdapterUse], _ quantized: QuantizedBase
  ) throws(PlanError) -> LayerReplication? {
    for use in adapters {
      guard let ranges = use.adapter.config.layerReplication else { continue }
      func refused(_ problem: PlanError.Problem) -> PlanError {
        PlanError(path: use.adapter.configPath, tensor: nil, problem)
      }
      guard adapters.count == 1 else { throw refused(.replicationOfSeveral) }
      if let method = quantized.method { throw refused(.quantizedScheme("\(method) and layer_replication")) }
      guard let made = LayerReplication(ranges) else {
        throw refused(.tooManyLayers(LayerReplication.largestLayerCount))
      }
      return made
    }
    return nil
  }

  /// The place of an adapter's file in the plan's inputs: the base's files come first, in their order.
  func input(ofAdapter number: Int) -> Int { base.files.count + number }

  /// An error about a tensor of an adapter; `key` nil: about the adapter as a whole.
  func error(_ problem: PlanError.Problem, _ number: Int, key: Int?) -> PlanError {
    let adapter = adapters[number].adapter
    return PlanError(
      path: adapter.weightsPath, tensor: key.map { adapter.header.tensors.name(at: $0) }, problem,
      adapterBase: adapter.statedBase)
  }

  /// The base's shapes with those of the tensors that replace some of them.
  func shapes(with updates: [TensorName: PendingUpdate]) -> TensorShapes {
    TensorShapes(base: baseTensors, vocabulary: vocabulary, updates: updates)
  }

  /// How the result is divided; a base of one file is one file already.
  var fileSizes: ShardingPolicy {
    if case .shardedFolder = base.layout { return options.fileSizes }
    return options.fileSizes == .single ? .asBase : options.fileSizes
  }

  /// The dtype that a tensor of this one has in the result.
  func outputDType(_ dtype: DType) -> DType {
    guard let wanted = options.outputDType, dtype.isMergeable else { return dtype }
    return wanted
  }

  /// The dtype of a tensor that the base doesn't have: the base's, as in a model that is loaded in one dtype.
  func addedDType(_ own: DType) -> DType {
    guard own.isMergeable else { return own }
    var counts: [DType: Int] = [:]
    for tensor in base.files.lazy.flatMap(\.header.tensors) where tensor.dtype.isMergeable {
      counts[tensor.dtype, default: 0] += tensor.byteCount
    }
    return counts.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key ?? own
  }
}

extension DType {
  /// Whether tensors of this type can be merged into.
  var isMergeable: Bool { [.f32, .f16, .bf16].contains(self) }
}
