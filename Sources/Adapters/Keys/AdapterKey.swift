import Safetensors

/// The name of one tensor of an adapter, in its parts: `base_model.model.` + module path + what the tensor is.
///
/// Source: PEFT 0.21.2 `get_peft_model_state_dict`. What other programs and older releases do to the names is undone
/// here and said in ``leniencies``.
struct AdapterKey: Equatable, Sendable {
  /// What a tensor is to its module.
  enum Role: Hashable, Sendable {
    /// A tensor of the tuner.
    case factor(FactorRole)
    /// A tensor that all modules of the tuner share, at the top of its model: `base_model.vera_A`.
    case shared(FactorRole)
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
      case .factor(let role), .shared(let role): role.ending
      case .plain(let name): name
      case .tokenRows: "token_adapter.trainable_tokens_delta"
      case .baseLayer(let leaf): "base_layer.\(leaf)"
      case .savedCopy(let name): ([KeyDialect.savedCopy] + name).joined(separator: ".")
      case .original(let name): ([KeyDialect.original] + name).joined(separator: ".")
      }
    }
  }

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

  /// PEFT's, as messages show it.
  static let prefix = PEFTLayout.prefix

  /// Where the module is in the model, such as `model.layers.0.self_attn.q_proj`: without any `base_layer`.
  let module: TensorName
  /// The same as it is in the key, with every `base_layer`.
  let path: String
  /// How many `base_layer` end the path: parameters of one module are wrapped one inside the other.
  let depth: Int
  /// The module around this one's module: the path before the last `base_layer` that is not at the end.
  let container: TensorName?
  let role: Role
  /// The NAME of `lora_A.NAME.weight`, which saving takes out.
  let adapterName: String?
  let leniencies: Set<Leniency>
  /// How ``name(of:)`` writes keys.
  private let spelling: KeyDialect.Spelling

  /// The key of another role for the same module, as its trainer writes it.
  func name(of role: Role) -> String {
    if case .shared = role { return "\(KeyDialect.top).\(role.suffix)" }
    return spelling.key(path, role)
  }

  /// - Throws: What is wrong with the key, or which feature it belongs to.
  init(_ name: TensorName, _ dialect: KeyDialect) throws(AdapterError.Problem) {
    var segments = Self.segments(name.string)
    var leniencies: Set<Leniency> = []
    spelling = dialect.spelling
    if let shared = dialect.shared(segments) {
      if let name = shared.adapterName { leniencies.insert(.adapterName(name)) }
      (module, path, depth, container) = (TensorName(KeyDialect.top), KeyDialect.top, 0, nil)
      (role, adapterName, self.leniencies) = (.shared(shared.role), shared.adapterName, leniencies)
      return
    }
    try Self.takePrefix(of: &segments, dialect, &leniencies)
    TrainerNames.rename(&segments, &leniencies)
    if dialect.spelling == .mlx { MLXKeys.rename(&segments) }
    let tail = try KeyTail.take(from: &segments, dialect)
    // A factor that no PEFT known here writes must not pass for a tensor of the model.
    if case .plain = tail.role, segments.contains(where: { $0 != dialect.wrapped && dialect.isUpdate($0) }) {
      throw .unknownKey
    }
    adapterName = tail.adapterName
    if let leniency = tail.leniency { leniencies.insert(leniency) }
    if let adapterName { leniencies.insert(.adapterName(adapterName)) }
    self.leniencies = leniencies
    if segments.isEmpty || segments.contains("") { throw .keyWithoutModule }
    path = segments.joined(separator: ".")
    var inner = segments[...]
    while inner.last == dialect.wrapped { inner.removeLast() }
    depth = segments.count - inner.count
    container = inner.lastIndex(of: dialect.wrapped).map { Self.module(inner[..<$0], dialect) }
    module = Self.module(segments[...], dialect)
    if module.string.isEmpty { throw .keyWithoutModule }
    if depth > 0, case .plain(let leaf) = tail.role { role = .baseLayer(leaf: leaf) } else { role = tail.role }
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
    spelling = key.spelling
    self.leniencies = key.leniencies.union(leniencies)
    self.role = role
  }

  /// A name's parts between dots.
  static func segments(_ name: String) -> [String] {
    name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map { String(Substring($0)) }
  }

  private static func module(_ segments: ArraySlice<String>, _ dialect: KeyDialect) -> TensorName {
    TensorName(segments.filter { $0 != dialect.wrapped }.joined(separator: "."))
  }

  /// Removes wrappers, a leading `module.` and the prefix.
  private static func takePrefix(
    of segments: inout [String], _ dialect: KeyDialect, _ leniencies: inout Set<Leniency>
  ) throws(AdapterError.Problem) {
    if dialect.prefix.isEmpty { return }
    for segment in segments where dialect.wrappers.contains(segment) { leniencies.insert(.wrapper(segment)) }
    segments.removeAll { dialect.wrappers.contains($0) }
    if segments.first == "module", segments.count > 1 {
      segments.removeFirst()
      leniencies.insert(.wrapper("module"))
    }
    var count = 0
    while segments.starts(with: dialect.prefix) {
      segments.removeFirst(dialect.prefix.count)
      count += 1
    }
    switch count {
    case 0:
      if takeInnerPrefix(of: &segments, dialect, &leniencies) { return }
      leniencies.insert(.missingPrefix)
    case 1: break
    case 2: leniencies.insert(.doubledPrefix)
    default: throw .keyRepeatedPrefix(prefix, count: count)
    }
  }

  /// Removes the prefix of a part that was wrapped by itself: `thinker.base_model.model.X` is `thinker.X`.
  private static func takeInnerPrefix(
    of segments: inout [String], _ dialect: KeyDialect, _ leniencies: inout Set<Leniency>
  ) -> Bool {
    let places = segments.indices.dropFirst().dropLast(dialect.prefix.count - 1)
    guard
      let place = places.first(where: { segments[$0...].starts(with: dialect.prefix) }),
      !segments[..<place].contains(where: dialect.markers.contains)
    else { return false }
    segments.removeSubrange(place..<place + dialect.prefix.count)
    leniencies.insert(.innerPrefix(segments[..<place].joined(separator: ".")))
    return true
  }
}

/// The end of a key: from the first segment that PEFT put there.
private struct KeyTail {
  let role: AdapterKey.Role
  let adapterName: String?
  let leniency: AdapterKey.Leniency?

  private init(_ role: AdapterKey.Role, adapterName: String? = nil, _ leniency: AdapterKey.Leniency? = nil) {
    self.role = role
    self.adapterName = adapterName
    self.leniency = leniency
  }

  /// Takes the end off `segments`, which keep the module path.
  static func take(
    from segments: inout [String], _ dialect: KeyDialect
  ) throws(AdapterError.Problem) -> KeyTail {
    guard let index = segments.firstIndex(where: dialect.markers.contains) else {
      guard let leaf = segments.popLast(), !leaf.isEmpty, leaf == dialect.wrapped || !dialect.isUpdate(leaf) else {
        throw .unknownKey
      }
      return KeyTail(.plain(leaf: leaf))
    }
    let (marker, rest) = (segments[index], segments[(index + 1)...])
    segments.removeSubrange(index...)
    if !rest.isEmpty, marker == KeyDialect.savedCopy { return KeyTail(.savedCopy(name: Array(rest))) }
    if !rest.isEmpty, marker == KeyDialect.original { return KeyTail(.original(name: Array(rest))) }
    for ending in dialect.endings where ending.marker == marker {
      let (isMatch, name) = ending.matches(rest)
      if isMatch { return KeyTail(ending.role, adapterName: name, ending.leniency) }
    }
    // What the wrapper of an embedding's rows holds.
    if marker == "token_adapter", rest.count == 2, let leaf = rest.last, rest.first == dialect.wrapped {
      return KeyTail(.baseLayer(leaf: leaf))
    }
    throw .unknownKey
  }
}
