import Safetensors

/// The name of one tensor of an adapter, taken apart: `base_model.model.` + module path + what the tensor is.
///
/// Source: PEFT 0.21.2 `get_peft_model_state_dict`. What other programs and older releases do to the names is undone
/// here and said in ``leniencies``.
struct AdapterKey: Equatable, Sendable {
  /// What a tensor is to its module.
  enum Role: Hashable, Sendable {
    /// `lora_A.weight`, (r, in).
    case factorA
    /// `lora_B.weight`, (out, r).
    case factorB
    /// `lora_B.bias`, (out).
    case bias
    /// `lora_bias`: another spelling of the same.
    case plainBias
    /// `lora_embedding_A`, (r, vocabulary).
    case embeddingA
    /// `lora_embedding_B`, (dimension, r).
    case embeddingB
    /// `lora_magnitude_vector`: the norms that DoRA trains.
    case magnitude
    /// `lora_diag`, (r): the factors between the columns of B and the rows of A that KaSA trains.
    case diagonal
    /// A tensor that only training needs.
    case training(variant: Variant, name: String)
    /// `token_adapter.trainable_tokens_delta`, (tokens, dimension).
    case tokenRows
    /// A tensor of the model itself.
    case plain(leaf: String)
    /// The same inside a wrapped layer: `base_layer.weight`, `token_adapter.base_layer.weight`.
    case baseLayer(leaf: String)
    /// `modules_to_save.` + a name inside the module, with the adapter's name perhaps.
    case savedCopy(name: [String])
    /// `original_module.` + a name inside the module.
    case original(name: [String])

    /// How the key ends, behind the module path's dot.
    var suffix: String {
      switch self {
      case .factorA: "lora_A.weight"
      case .factorB: "lora_B.weight"
      case .bias: "lora_B.bias"
      case .plainBias: "lora_bias"
      case .embeddingA: "lora_embedding_A"
      case .embeddingB: "lora_embedding_B"
      case .magnitude: "lora_magnitude_vector"
      case .diagonal: "lora_diag"
      case .training(_, let name), .plain(let name): name
      case .tokenRows: "token_adapter.trainable_tokens_delta"
      case .baseLayer(let leaf): "base_layer.\(leaf)"
      case .savedCopy(let name): (["modules_to_save"] + name).joined(separator: ".")
      case .original(let name): (["original_module"] + name).joined(separator: ".")
      }
    }
  }

  /// Variants of LoRA that save tensors which a merge does not need.
  enum Variant: Hashable, Sendable { case velora, monteclora }

  /// A deviation from the names of PEFT 0.21.2 that does not change the meaning.
  enum Leniency: Hashable, Sendable {
    case missingPrefix
    case doubledPrefix
    /// A segment that a wrapper of the model put in.
    case wrapper(String)
    case adapterName(String)
    /// The prefix behind the name of a part of the model, which only that part was wrapped by.
    case innerPrefix(String)
    /// A factor whose name ends without `.weight`: a parameter of a module and not a layer of its own.
    case bareFactor
    /// A factor of MLX, `lora_a` or `lora_b`, which is stored transposed.
    case transposedFactor
    /// A module that another trainer calls so.
    case renamed(String)
    /// The wrapper of a module that was saved whole, around the update of that module.
    case savedUpdate
  }

  static let prefix = "base_model.model."

  /// Where the module stands in the model, such as `model.layers.0.self_attn.q_proj`: without any `base_layer`.
  let module: TensorName
  /// The same as it stands in the key, with every `base_layer`.
  let path: String
  /// How many `base_layer` end the path: parameters of one module are wrapped one inside the other.
  let depth: Int
  /// The module that wraps the one that this is in: what stands before the last `base_layer` that is not at the end.
  let container: TensorName?
  let role: Role
  /// The NAME of `lora_A.NAME.weight`, which saving takes out.
  let adapterName: String?
  let leniencies: Set<Leniency>

  /// The key of another role for the same module, as PEFT writes it.
  func name(of role: Role) -> String { "\(Self.prefix)\(path).\(role.suffix)" }

  /// - Throws: What is wrong with the key, or which feature it belongs to.
  init(_ name: TensorName) throws(AdapterError.Problem) {
    var segments = name.string.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      .map { String(Substring($0)) }
    var leniencies: Set<Leniency> = []
    try Self.takePrefix(of: &segments, &leniencies)
    TrainerNames.rename(&segments, &leniencies)
    let tail = Tail(&segments)
    let found = try tail.role()
    // A factor that no PEFT known here writes must not pass for a tensor of the model.
    if case .plain = found, segments.contains(where: { $0.utf8.starts(with: "lora_".utf8) }) { throw .unknownKey }
    adapterName = tail.adapterName
    if tail.isTransposedFactor { leniencies.insert(.transposedFactor) }
    if tail.isBareFactor { leniencies.insert(.bareFactor) }
    if let adapterName { leniencies.insert(.adapterName(adapterName)) }
    self.leniencies = leniencies
    if segments.isEmpty || segments.contains("") { throw .keyWithoutModule }
    path = segments.joined(separator: ".")
    var inner = segments[...]
    while inner.last == Self.wrapped { inner.removeLast() }
    depth = segments.count - inner.count
    container = inner.lastIndex(of: Self.wrapped).map { Self.module(inner[..<$0]) }
    module = Self.module(segments[...])
    if module.string.isEmpty { throw .keyWithoutModule }
    if depth > 0, case .plain(let leaf) = found { role = .baseLayer(leaf: leaf) } else { role = found }
  }

  /// The same key with another role.
  init(_ key: AdapterKey, role: Role, adding leniency: Leniency) { self.init(key, role: role, adding: [leniency]) }

  /// The same key with another role.
  init(_ key: AdapterKey, role: Role, adding leniencies: Set<Leniency>) {
    module = key.module
    path = key.path
    depth = key.depth
    container = key.container
    adapterName = key.adapterName
    self.leniencies = key.leniencies.union(leniencies)
    self.role = role
  }

  static let wrapped = "base_layer"

  /// Whether a segment of a key belongs to an update, or to the weight inside of one.
  static func isUpdate(_ segment: String) -> Bool { segment == wrapped || segment.utf8.starts(with: "lora_".utf8) }

  private static let wrappers: Set<String> = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"]

  private static func module(_ segments: ArraySlice<String>) -> TensorName {
    TensorName(segments.filter { $0 != wrapped }.joined(separator: "."))
  }

  /// Removes wrappers, a leading `module.` and the prefix.
  private static func takePrefix(
    of segments: inout [String], _ leniencies: inout Set<Leniency>
  ) throws(AdapterError.Problem) {
    for segment in segments where wrappers.contains(segment) { leniencies.insert(.wrapper(segment)) }
    segments.removeAll { wrappers.contains($0) }
    if segments.first == "module", segments.count > 1 {
      segments.removeFirst()
      leniencies.insert(.wrapper("module"))
    }
    var count = 0
    while segments.starts(with: ["base_model", "model"]) {
      segments.removeFirst(2)
      count += 1
    }
    switch count {
    case 0:
      if takeInnerPrefix(of: &segments, &leniencies) { return }
      leniencies.insert(.missingPrefix)
    case 1: break
    case 2: leniencies.insert(.doubledPrefix)
    default: throw .keyRepeatedPrefix(prefix, count: count)
    }
  }

  /// Removes the prefix of a part that was wrapped by itself: `thinker.base_model.model.X` is `thinker.X`.
  private static func takeInnerPrefix(of segments: inout [String], _ leniencies: inout Set<Leniency>) -> Bool {
    guard
      let place = segments.indices.dropLast().first(where: {
        segments[$0] == "base_model" && segments[$0 + 1] == "model"
      }), place > 0, !segments[..<place].contains(where: Tail.markers.contains)
    else { return false }
    segments.removeSubrange(place...place + 1)
    leniencies.insert(.innerPrefix(segments[..<place].joined(separator: ".")))
    return true
  }
}

/// The end of a key: from the first segment that PEFT put there.
private struct Tail {
  let marker: String?
  /// What follows the marker, without the adapter's name; without a marker the last segment.
  let rest: [String]
  let adapterName: String?

  /// Whether it is a factor as MLX writes it.
  var isTransposedFactor: Bool { rest.isEmpty && (marker == "lora_a" || marker == "lora_b") }
  /// Whether it is a factor whose name ends with the marker.
  var isBareFactor: Bool { rest.isEmpty && (marker == "lora_A" || marker == "lora_B") }

  static let markers: Set<String> = [
    "lora_A", "lora_B", "lora_a", "lora_b", "lora_bias", "lora_embedding_A", "lora_embedding_B",
    "lora_magnitude_vector", "lora_diag",
    "lora_velora_embed", "lora_monteclora_sampler", "token_adapter", "modules_to_save", "original_module",
  ]
  /// `MontecloraSampler`'s parameters and buffers.
  private static let samplerTensors: Set<String> = [
    "expert_weights", "expert_weights_prior", "gaussian_var_prior", "std_prior",
  ]

  /// Takes the end off `segments`, which keep the module path.
  init(_ segments: inout [String]) {
    guard let index = segments.firstIndex(where: Self.markers.contains) else {
      marker = nil
      rest = segments.popLast().map { [$0] } ?? []
      adapterName = nil
      return
    }
    let marker = segments[index]
    var rest = Array(segments[(index + 1)...])
    self.marker = marker
    adapterName = Self.takeAdapterName(from: &rest, behind: marker)
    self.rest = rest
    segments.removeSubrange(index...)
  }

  private static func takeAdapterName(from rest: inout [String], behind marker: String) -> String? {
    let place: Int
    switch marker {
    case "lora_A", "lora_B", "lora_monteclora_sampler": place = rest.count == 2 ? 0 : -1
    case "lora_magnitude_vector": place = rest.count == 2 || (rest.count == 1 && rest[0] != "weight") ? 0 : -1
    case "lora_embedding_A", "lora_embedding_B", "lora_velora_embed", "lora_bias":
      place = rest.count == 1 && !["weight", "bias"].contains(rest[0]) ? 0 : -1
    case "lora_diag": place = rest.count == 1 ? 0 : -1
    case "token_adapter": place = rest.count == 2 && rest[0] == "trainable_tokens_delta" ? 1 : -1
    default: place = -1
    }
    return place < 0 ? nil : rest.remove(at: place)
  }

  func role() throws(AdapterError.Problem) -> AdapterKey.Role {
    switch (marker, rest.count, rest.last) {
    case ("lora_A", 1, "weight"), ("lora_A", 0, _), ("lora_a", 0, _): return .factorA
    case ("lora_B", 1, "weight"), ("lora_B", 0, _), ("lora_b", 0, _): return .factorB
    case ("lora_B", 1, "bias"): return .bias
    case ("lora_bias", 0, _): return .plainBias
    case ("lora_embedding_A", 0, _): return .embeddingA
    case ("lora_embedding_B", 0, _): return .embeddingB
    case ("lora_magnitude_vector", 0, _), ("lora_magnitude_vector", 1, "weight"): return .magnitude
    case ("lora_diag", 0, _): return .diagonal
    case ("lora_velora_embed", 0, _): return .training(variant: .velora, name: "lora_velora_embed")
    case ("lora_monteclora_sampler", 1, let name?) where Self.samplerTensors.contains(name):
      return .training(variant: .monteclora, name: "lora_monteclora_sampler.\(name)")
    case ("token_adapter", 1, "trainable_tokens_delta"): return .tokenRows
    case ("token_adapter", 2, let leaf?) where rest[0] == AdapterKey.wrapped: return .baseLayer(leaf: leaf)
    case ("modules_to_save", 1..., _): return .savedCopy(name: rest)
    case ("original_module", 1..., _): return .original(name: rest)
    case (nil, 1, let leaf?) where !leaf.utf8.starts(with: "lora_".utf8) && !leaf.isEmpty: return .plain(leaf: leaf)
    default: throw .unknownKey
    }
  }
}
