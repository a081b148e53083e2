import Adapters
import Checkpoints
import JSONText
import Safetensors

extension MergePlan {
  /// What a merge is asked to do beyond its inputs.
  public struct Options: Sendable, Equatable {
    /// The dtype of merged tensors and of copied F32, F16 and BF16 ones; nil: each keeps its own.
    public var outputDType: DType?

    public init(outputDType: DType? = nil) { self.outputDType = outputDType }
  }

  /// Plans the merge of `adapter` into `base`.
  ///
  /// Every module of the adapter must have its `weight` in the base, of the shape that its factors make, and its `bias`
  /// where it has a lora_bias; no tensor may be changed twice; every tensor of the adapter must be used. The output keeps
  /// the base's files, its order of tensors and its metadata, to which `format: pt` is added where it is missing.
  ///
  /// - Throws: ``PlanError``, or ``SafetensorsError`` if a header would be too large.
  public init(base: Checkpoint, adapter: Adapter, options: Options = Options()) throws {
    var planner = MergePlanner(base: base, adapter: adapter, options: options)
    try planner.checkBase()
    try planner.match()
    self = try planner.plan()
  }
}

/// Builds a ``MergePlan``.
struct MergePlanner {
  private let base: Checkpoint
  private let adapter: Adapter
  private let options: MergePlan.Options
  private var updates: [TensorName: (update: TensorUpdate, module: String)] = [:]
  private var modules: [MergePlan.Module] = []
  private var usedTensors: Set<Int> = []

  init(base: Checkpoint, adapter: Adapter, options: MergePlan.Options) {
    self.base = base
    self.adapter = adapter
    self.options = options
  }

  /// Inputs are the base's files in their order, then the adapter's.
  private var adapterInput: Int { base.files.count }

  private func error(_ problem: PlanError.Problem, key: Int? = nil) -> PlanError {
    PlanError(
      path: adapter.weightsPath, tensor: key.map { adapter.header.tensors.name(at: $0) }, problem,
      adapterBase: adapter.baseModelName)
  }

  func checkBase() throws(PlanError) {
    guard let quantization = base.config?["quantization_config"], quantization != .null else { return }
    var method = "unknown"
    if case .string(let name)? = quantization["quant_method"] { method = name }
    throw PlanError(path: Paths.join(base.path, "config.json"), tensor: nil, .quantizedBase(method: method))
  }

  mutating func match() throws(PlanError) {
    for layer in adapter.layers {
      let weight = TensorName(layer.module + ".weight")
      guard let location = base.location(of: weight) else { throw missing(layer, weight) }
      try addProduct(layer, weight, base.tensor(at: location))
      var targets = [weight]
      if let bias = layer.bias { targets.append(try addBias(layer, bias)) }
      modules.append(
        MergePlan.Module(
          name: layer.module, adapter: 0, rank: layer.rank, alpha: layer.alpha, scaling: layer.scaling,
          targets: targets))
      usedTensors.formUnion(layer.tensorIndices)
    }
    // What the adapter's own accounting promises; nothing may be written if it ever did not hold.
    let unused = adapter.header.tensors.count - usedTensors.count
    guard unused == 0 else { throw error(.adapterTensorsUnused(count: unused)) }
  }

  private func missing(_ layer: AdapterLayer, _ weight: TensorName) -> PlanError {
    if ConfigFacts.tiesEmbeddings(base.config), weight.string.hasSuffix("lm_head.weight") {
      return error(.tiedHead(embedding: nil), key: layer.a)
    }
    let others = adapter.layers.count { base.location(of: TensorName($0.module + ".weight")) == nil } - 1
    let candidates = NearestNames.find(weight.string, in: base.tensorNames)
    return error(.noTarget(target: weight.string, candidates: candidates, otherModules: others), key: layer.a)
  }

  private mutating func addProduct(
    _ layer: AdapterLayer, _ weight: TensorName, _ target: TensorInfo
  ) throws(PlanError) {
    if ConfigFacts.tiesEmbeddings(base.config), weight.string.hasSuffix("lm_head.weight") {
      throw error(.tiedHead(embedding: nil), key: layer.a)
    }
    try checkShape(layer, target)
    try checkDType(target, key: layer.a)
    let left = FactorView.rowMajor(source(layer.b), rows: layer.outFeatures, columns: layer.rank)
    let right = FactorView.rowMajor(source(layer.a), rows: layer.rank, columns: layer.inFeatures)
    try add(
      DeltaTerm(
        rows: 0..<layer.outFeatures, columns: 0..<layer.inFeatures, kind: .lowRank(left: left, right: right),
        scaling: Float(layer.scaling)),
      to: weight, rows: layer.outFeatures, columns: layer.inFeatures, layer: layer)
  }

  private mutating func addBias(_ layer: AdapterLayer, _ bias: Int) throws(PlanError) -> TensorName {
    let name = TensorName(layer.module + ".bias")
    guard let location = base.location(of: name) else { throw error(.noBias(target: name.string), key: bias) }
    let target = base.tensor(at: location)
    guard target.shape == [layer.outFeatures] else {
      throw error(
        .shape(
          factor: "lora_bias", found: [layer.outFeatures], target: name.string, expected: target.shape), key: bias)
    }
    try checkDType(target, key: bias)
    try add(
      DeltaTerm(
        rows: 0..<1, columns: 0..<layer.outFeatures,
        kind: .scaled(values: .rowMajor(source(bias), rows: 1, columns: layer.outFeatures)),
        scaling: Float(layer.scaling)),
      to: name, rows: 1, columns: layer.outFeatures, layer: layer)
    return name
  }

  private mutating func add(
    _ term: DeltaTerm, to name: TensorName, rows: Int, columns: Int, layer: AdapterLayer
  ) throws(PlanError) {
    if let other = updates[name] {
      throw error(.targetHitTwice(target: name.string, other: other.module), key: layer.a)
    }
    updates[name] = (TensorUpdate(rows: rows, columns: columns, terms: [term]), layer.module)
  }

  private func checkShape(_ layer: AdapterLayer, _ target: TensorInfo) throws(PlanError) {
    let name = target.name.string
    let (rows, columns) = (layer.outFeatures, layer.inFeatures)
    if target.shape == [rows, columns] {
      if rows == columns, ConfigFacts.mayBeStoredTransposed(module: layer.module, config: base.config) {
        throw error(.maybeTransposed(target: name), key: layer.a)
      }
      return
    }
    if target.shape == [columns, rows] {
      throw error(.storedTransposed(target: name, shape: target.shape), key: layer.a)
    }
    if target.shape.count == 2, target.shape[0] == rows {
      throw error(
        .shape(
          factor: "lora_A", found: [layer.rank, columns], target: name, expected: target.shape), key: layer.a)
    }
    throw error(
      .shape(factor: "lora_B", found: [rows, layer.rank], target: name, expected: target.shape), key: layer.b)
  }

  private func checkDType(_ target: TensorInfo, key: Int) throws(PlanError) {
    guard [.f32, .f16, .bf16].contains(target.dtype) else {
      throw error(.targetDType(target: target.name.string, found: target.dtype), key: key)
    }
  }

  private func source(_ index: Int) -> MergePlan.Source {
    let info = adapter.header.tensors[index]
    return Self.source(info, adapter.header, input: adapterInput)
  }

  private static func source(_ info: TensorInfo, _ header: SafetensorsHeader, input: Int) -> MergePlan.Source {
    let (begin, end) = (info.dataOffsets.lowerBound, info.dataOffsets.upperBound)
    return MergePlan.Source(
      input: input, dtype: info.dtype, range: header.dataStart + begin..<header.dataStart + end)
  }

  func plan() throws(SafetensorsError) -> MergePlan {
    var shards: [MergePlan.Shard] = []
    for (number, file) in base.files.enumerated() { shards.append(try shard(file, input: number)) }
    let inputs =
      base.files.map { MergePlan.Input(path: $0.path, identity: $0.header.identity) }
      + [MergePlan.Input(path: adapter.weightsPath, identity: adapter.header.identity)]
    let unusedPatterns = adapter.unusedPatterns.map {
      "\(adapter.configPath): \($0.field) \"\($0.key)\" matches no module of the adapter"
    }
    return MergePlan(
      inputs: inputs, modules: modules, shards: shards, index: index(shards),
      warnings: base.warnings + unusedPatterns)
  }

  private func shard(_ file: Checkpoint.File, input: Int) throws(SafetensorsError) -> MergePlan.Shard {
    let tensors = file.header.tensors
    var entries: [HeaderEncoder.Tensor] = []
    entries.reserveCapacity(tensors.count)
    for tensor in tensors {
      entries.append(
        try HeaderEncoder.Tensor(name: tensor.name, dtype: outputDType(tensor.dtype), shape: tensor.shape))
    }
    let header = try HeaderEncoder(path: file.path, metadata: metadata(file.header), tensors: entries)
    let planned = tensors.enumerated().map { position, tensor in
      let output = header.dataOffsets[position]
      let dtype = entries[position].dtype
      var update = updates[tensor.name]?.update
      if update == nil, dtype != tensor.dtype, !tensor.dataOffsets.isEmpty {
        // A change of dtype alone: rounded by the same pipeline, with nothing to add.
        update = TensorUpdate(roundingOnly: tensor.shape)
      }
      return MergePlan.Tensor(
        name: tensor.name, shape: tensor.shape, source: Self.source(tensor, file.header, input: input),
        outputDType: dtype,
        outputRange: header.bytes.count + output.lowerBound..<header.bytes.count + output.upperBound,
        update: update)
    }
    return MergePlan.Shard(
      name: file.name, headerBytes: header.bytes, fileByteCount: header.fileByteCount,
      tensors: planned)
  }

  private func outputDType(_ dtype: DType) -> DType {
    guard let wanted = options.outputDType, [.f32, .f16, .bf16].contains(dtype) else { return dtype }
    return wanted
  }

  /// The base's, in its order, with `format: pt` added where it is missing: transformers up to 4.41 cannot load without.
  private func metadata(_ header: SafetensorsHeader) -> [SafetensorsHeader.MetadataEntry] {
    let own = header.metadata ?? []
    return own.contains { $0.key == "format" } ? own : own + [.init(key: "format", value: "pt")]
  }

  private func index(_ shards: [MergePlan.Shard]) -> MergePlan.IndexFile? {
    guard case .shardedFolder(let name) = base.layout, let index = base.index else { return nil }
    var totalSize = 0
    var weightMap: [(tensor: TensorName, shardName: String)] = []
    for shard in shards {
      for tensor in shard.tensors {
        totalSize += tensor.outputRange.count
        weightMap.append((tensor.name, shard.name))
      }
    }
    return MergePlan.IndexFile(
      name: name,
      text: CheckpointIndex.text(metadata: index.metadata, totalSize: totalSize, weightMap: weightMap))
  }
}
