/// A kind of diffusion model: how it is recognized, and how its names in the native spellings and in diffusers' belong together.
struct Architecture: Sendable {
  /// What texts call it.
  let name: String
  /// The native spellings, each with its own table; none: native names are those of diffusers.
  let tables: [RuleTable]
  /// The tensors that a base in diffusers' names has.
  let diffusers: Detection
  /// Whether names that no table has are the same in all spellings.
  let keepsUnlistedNames: Bool
  /// The text encoders in the order in which diffusers numbers them; ``Component/Kind/other(_:)`` stands for any other.
  let encoders: [Component.Kind]
  /// Modules that no table has, because they are called the same in all spellings: by what their names begin with, with `{i}` for
  /// any number, separated by spaces. Only the recognition of adapters without a base asks for them.
  let alike: [String: String]

  init(
    _ name: String, diffusers: Detection, keepsUnlistedNames: Bool = false, encoders: [Component.Kind],
    alike: [String: String] = [:], _ tables: RuleTable...
  ) {
    self.name = name
    self.tables = tables
    self.diffusers = diffusers
    self.keepsUnlistedNames = keepsUnlistedNames
    self.encoders = encoders
    self.alike = alike
  }

  /// In which scheme a component with these names is stored; nil: it is of another architecture.
  func scheme(of names: Set<String>) -> Component.Scheme? {
    if let table = tables.first(where: { $0.detection.fits(names) }) { return table.scheme }
    return diffusers.fits(names) ? .diffusers : nil
  }

  /// The table of a native spelling.
  func table(_ scheme: Component.Scheme) -> RuleTable? { tables.first { $0.scheme == scheme } }
}
