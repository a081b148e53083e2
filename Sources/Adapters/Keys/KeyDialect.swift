/// The naming scheme of an adapter's tensors, as data.
struct KeyDialect: Sendable {
  /// What stands before the module's path.
  let prefix: [String]
  /// Segments that wrappers of a model put into names, and that mean nothing.
  let wrappers: Set<String>
  /// What a layer is called inside of its wrapper.
  let wrapped: String
  /// How names end, in the order in which they are tried.
  let endings: [KeyEnding]
  /// How names at the top of the tuner's model end.
  let sharedEndings: [KeyEnding]
  /// How names at the top of the tuner's model begin behind which a number stands.
  let numberedMarkers: Set<String>
  /// The first segments of all endings, and of the names that hold others.
  let markers: Set<String>
  /// With what a segment begins that belongs to an update, of this tuner or another.
  let updatePrefixes: [String]
  /// How messages and comparisons write keys.
  var spelling = Spelling.peft

  /// Whose keys a name is written as.
  enum Spelling: Sendable {
    /// `base_model.model.X.lora_A.weight`.
    case peft
    /// `X.lora_a`.
    case mlx

    /// The key of a role.
    func key(_ path: String, _ role: AdapterKey.Role) -> String {
      switch self {
      case .peft: "\(AdapterKey.prefix)\(path).\(role.suffix)"
      case .mlx: "\(path).\(MLXKeys.ending(role))"
      }
    }
  }

  /// What stands before the names at the top of the tuner's model.
  static let top = "base_model"
  /// Holds whole modules that were trained.
  static let savedCopy = "modules_to_save"
  /// Holds what such modules were before.
  static let original = "original_module"

  /// PEFT's names for one tuner.
  ///
  /// Source: PEFT 0.21.2 `get_peft_model_state_dict`.
  static func peft(_ tuner: any Tuner.Type) -> KeyDialect {
    let endings =
      tuner.endings + [
        KeyEnding("token_adapter.trainable_tokens_delta", .tokenRows, name: 1)
      ]
    return KeyDialect(
      prefix: ["base_model", "model"],
      wrappers: ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"], wrapped: "base_layer",
      endings: endings, sharedEndings: tuner.shared.map { KeyEnding($0) },
      numberedMarkers: Set(tuner.numbered.map(\.ending)),
      markers: Set(endings.map(\.marker)).union([savedCopy, original]),
      updatePrefixes: Tuners.prefixes.map { String($0) })
  }

  /// The role of a name at the top of the tuner's model, and an adapter's name in it; nil: it isn't such a name.
  func shared(_ segments: [String]) -> (role: FactorRole, adapterName: String?)? {
    guard segments.count > 1, segments[0] == Self.top else { return nil }
    if let number = segments.last, numberedMarkers.contains(segments[1]), Int(number) != nil, segments.count <= 4 {
      return (FactorRole("\(segments[1]).\(number)"), segments.count == 4 ? segments[2] : nil)
    }
    for ending in sharedEndings where ending.marker == segments[1] {
      let (isMatch, name) = ending.matches(segments[2...])
      if isMatch, case .factor(let role) = ending.role { return (role, name) }
    }
    return nil
  }

  /// Whether a segment of a key belongs to an update, or to the weight inside of one.
  func isUpdate(_ segment: String) -> Bool {
    segment == wrapped || updatePrefixes.contains { segment.utf8.starts(with: $0.utf8) }
  }
}
