import Adapters
import JSONText
import Safetensors

/// Writes a folder of mlx-lm 0.32.2, which has one rank, one scale and one method for all modules.
///
/// Its `keys` are names inside of a layer, or of whole modules outside of the layers. `num_layers` counts from the last layer; -1
/// means all, and modules of them that the file lacks stay as they are.
struct MLXFolder {
  private(set) var list: TensorList
  private var first: (name: String, rank: Int, scaling: Double, isDoRA: Bool)?
  private var keys: Set<String> = []

  /// What names of layers begin with in MLX's models.
  private static let stacks = ["model.layers.", "language_model.model.layers."]
  private static let others: Set<String> = [
    "model.embed_tokens", "lm_head", "language_model.model.embed_tokens", "language_model.lm_head",
  ]

  init(_ list: TensorList) { self.list = list }

  mutating func add(_ module: ConvertedModule) throws(ConversionError) {
    func refuse(_ what: String, holdsLoRA: Bool = false) -> ConversionError {
      list.failure(.notHeld(what: what, dialect: .mlx, holdsLoRA: holdsLoRA), module)
    }
    guard module.component == nil else { throw refuse("it is a module of an image model") }
    guard case .lowRank(let factors) = module.content else { throw refuse("it is no LoRA", holdsLoRA: true) }
    guard factors.core == nil, factors.kernel(module.weightShape).isEmpty else { throw refuse("it is a convolution") }
    guard let key = Self.key(module.name) else { throw refuse("it is in no list of layers that MLX's models have") }
    // Norms of an embedding are those of tokens in MLX, and of dimensions in PEFT.
    if factors.magnitudes != nil, factors.areOfRows == factors.isEmbedding {
      throw refuse(
        factors.isEmbedding ? "it is DoRA with norms of dimensions" : "it is DoRA with norms of columns",
        holdsLoRA: true)
    }
    let own = (module.source, factors.strength.rank, factors.scaling, factors.magnitudes != nil)
    if let first {
      func differ(_ what: String, _ one: String, _ other: String) -> ConversionError {
        list.failure(
          .differing(what: what, first: first.name, firstValue: one, value: other, dialect: .mlx), module)
      }
      if first.rank != own.1 { throw differ("rank", "\(first.rank)", "\(own.1)") }
      if first.scaling != own.2 { throw differ("scaling", "\(first.scaling)", "\(own.2)") }
      if first.isDoRA != own.3 { throw differ("method", first.isDoRA ? "DoRA" : "LoRA", own.3 ? "DoRA" : "LoRA") }
    } else {
      first = own
    }
    keys.insert(key)
    let (a, b) = (factors.right.transposed, factors.left.transposed)
    list.add(module.name + ".lora_a", a, shape: [a.rows, a.columns])
    list.add(module.name + ".lora_b", b, shape: [b.rows, b.columns])
    if let magnitudes = factors.magnitudes { list.add(module.name + ".m", magnitudes, shape: [magnitudes.columns]) }
  }

  /// The key that names a module; nil: MLX's models have no such module.
  private static func key(_ name: String) -> String? {
    if others.contains(name) { return name }
    guard let stack = stacks.first(where: name.hasPrefix) else { return nil }
    let rest = name.dropFirst(stack.count)
    guard let dot = rest.firstIndex(of: "."), Int(rest[..<dot]) != nil else { return nil }
    return String(rest[rest.index(after: dot)...])
  }

  /// adapter_config.json.
  func config(_ source: AdapterConfig) -> [UInt8] {
    var fields = [
      JSONMember(key: "fine_tune_type", value: .string(first?.isDoRA == true ? "dora" : "lora")),
      JSONMember(
        key: "lora_parameters",
        value: .object([
          JSONMember(key: "dropout", value: .real(0)),
          JSONMember(key: "keys", value: .array(keys.sorted().map { .string($0) })),
          JSONMember(key: "rank", value: .integer(Int64(first?.rank ?? 0))),
          JSONMember(key: "scale", value: .real(first?.scaling ?? 0)),
        ])),
    ]
    if let base = source.baseModelName { fields.append(JSONMember(key: "model", value: .string(base))) }
    fields.append(JSONMember(key: "num_layers", value: .integer(-1)))
    var writer = JSONWriter(indentation: 4)
    writer.value(.object(fields))
    return writer.bytes
  }
}
