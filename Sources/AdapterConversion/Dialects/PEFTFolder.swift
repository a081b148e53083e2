import Adapters
import JSONText
import Safetensors

/// Writes a folder of PEFT 0.21.2.
struct PEFTFolder {
  private(set) var list: TensorList
  private var modules: [(name: String, strength: Strength)] = []
  /// What all modules are; nil: there was none.
  private var kind: (title: String, first: String)?
  private var usesDora = false
  private var hasCores = false

  init(_ list: TensorList) { self.list = list }

  /// The shape of DoRA's magnitudes: (out), of a convolution (1, out, 1, ...).
  static func magnitudeShape(_ count: Int, _ kernel: [Int]) -> [Int] {
    kernel.isEmpty ? [count] : [1, count] + kernel.map { _ in 1 }
  }

  mutating func add(_ module: ConvertedModule) throws(ConversionError) {
    switch module.content {
    case .lowRank(let factors): try add(factors, module)
    case .copied(let copied): try add(copied, module)
    }
  }

  private mutating func take(_ title: String, _ module: ConvertedModule) throws(ConversionError) {
    if let kind, kind.title != title {
      throw list.failure(
        .differing(what: "method", first: kind.first, firstValue: kind.title, value: title, dialect: .peft), module)
    }
    if kind == nil { kind = (title, module.source) }
  }

  private mutating func add(_ factors: ConvertedFactors, _ module: ConvertedModule) throws(ConversionError) {
    try take(factors.magnitudes == nil ? "LoRA" : "DoRA", module)
    if factors.core != nil {
      throw list.failure(.notHeld(what: "it has a core of Tucker's decomposition", dialect: .peft), module)
    }
    let name = PEFTLayout.prefix + module.name
    let shape = try list.shape(factors, module)
    list.add(name + (factors.isEmbedding ? ".lora_embedding_A" : ".lora_A.weight"), factors.right, shape: shape.right)
    list.add(name + (factors.isEmbedding ? ".lora_embedding_B" : ".lora_B.weight"), factors.left, shape: shape.left)
    if let magnitudes = factors.magnitudes {
      usesDora = true
      guard factors.areOfRows else {
        throw list.failure(
          .notHeld(
            what: factors.isEmbedding ? "it is DoRA with norms of tokens" : "it is DoRA with norms of columns",
            dialect: .peft), module)
      }
      list.add(
        name + ".lora_magnitude_vector", magnitudes, shape: Self.magnitudeShape(magnitudes.columns, shape.kernel))
    }
    modules.append((module.name, factors.strength))
  }

  private mutating func add(_ copied: CopiedTensors, _ module: ConvertedModule) throws(ConversionError) {
    let hasNorms = copied.tensors.contains { $0.ending == "dora_scale" }
    guard copied.kind == .loha, !hasNorms, let strength = copied.strength else {
      let what = "it is \(copied.kind.title)\(hasNorms ? " with DoRA" : "")"
      throw list.failure(.notHeld(what: what, dialect: .peft), module)
    }
    try take(copied.kind.title, module)
    for (ending, tensor) in copied.tensors {
      if ending == "hada_t1" { hasCores = true }
      list.add("\(PEFTLayout.prefix)\(module.name).\(ending)", copyOf: tensor)
    }
    modules.append((module.name, strength))
  }

  /// adapter_config.json.
  ///
  /// - Parameter source: What the adapter that is converted says of its training.
  func config(_ source: AdapterConfig) -> [UInt8] {
    let isLoHa = kind?.title == CopiedTensors.Kind.loha.title
    var fields = PEFTConfig(
      type: isLoHa ? "LOHA" : "LORA", alphaField: isLoHa ? "alpha" : "lora_alpha", modules: modules, usesDora: usesDora
    ).fields
    if isLoHa { fields.append(JSONMember(key: "use_effective_conv2d", value: .bool(hasCores))) }
    fields += [
      JSONMember(key: "base_model_name_or_path", value: source.baseModelName.map { .string($0) } ?? .null),
      JSONMember(key: "task_type", value: source.taskType.map { .string($0) } ?? .null),
      JSONMember(key: "inference_mode", value: .bool(true)),
      // The release whose rules the fields follow.
      JSONMember(key: "peft_version", value: .string("0.21.2")),
    ]
    // What else decides where the factors go, and which way a weight lies.
    if let ranges = source.layerReplication {
      let pairs = ranges.map { range in
        JSONValue.array([.integer(Int64(range.lowerBound)), .integer(Int64(range.upperBound))])
      }
      fields.append(JSONMember(key: "layer_replication", value: .array(pairs)))
    }
    if source.fanInFanOut { fields.append(JSONMember(key: "fan_in_fan_out", value: .bool(true))) }
    var writer = JSONWriter(indentation: 2)
    writer.value(.object(fields.sorted { $0.key < $1.key }))
    return writer.bytes
  }
}
