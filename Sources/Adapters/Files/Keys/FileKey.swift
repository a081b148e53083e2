/// The name of one tensor of an adapter that is one file, in its parts.
struct FileKey: Sendable {
  /// What the tensor is.
  enum Kind: Sendable {
    /// A tensor of an update.
    case role(FactorRole)
    /// Takes the place of the model's tensor of this name.
    case whole
    /// What no merge needs, for a reason.
    case ignored(String)
    /// What is not merged.
    case foreign(ForeignKind)
  }

  /// Where the module is, as the file names it: prefix and flat spelling stay.
  let module: String
  /// The key up to the suffix.
  let stem: String
  let kind: Kind
  /// How the factors are spelled; nil: the key is not a factor's.
  var spelling: FileSpelling?
  /// The dialect that only such a key has; nil: none.
  var dialect: String?

  /// The parts of a key; nil: the key is unknown.
  init?(_ key: String) {
    let stripped = Self.stripped(key)
    let segments = AdapterKey.segments(stripped)
    if segments[0] == "bundle_emb" {
      self.init(
        module: stripped, stem: key,
        kind: .ignored("an embedding that OneTrainer saved with the adapter: no weight of the model"))
      return
    }
    if segments.contains("_aux") {
      self.init(module: stripped, stem: key, kind: .ignored("an auxiliary tensor of the training"))
      return
    }
    if let kind = ForeignKind(key: stripped, segments: segments) {
      self.init(module: stripped, stem: key, kind: .foreign(kind))
      return
    }
    if BFLControl.replaces(segments) {
      self.init(module: stripped, stem: key, kind: .whole)
      return
    }
    if let special = Self.special(key, stripped) {
      self = special
      return
    }
    guard let (stem, entry) = FileSuffixes.match(key) else { return nil }
    let module = Self.withoutTrailingUnderscores(Self.stripped(stem))
    guard !module.isEmpty else { return nil }
    switch entry.meaning {
    case .role(let role, let spelling): self.init(module: module, stem: stem, kind: .role(role), spelling: spelling)
    case .foreign(let kind): self.init(module: module, stem: stem, kind: .foreign(kind))
    }
  }

  private init(
    module: String, stem: String, kind: Kind, spelling: FileSpelling? = nil, dialect: String? = nil
  ) {
    self.module = module
    self.stem = stem
    self.kind = kind
    self.spelling = spelling
    self.dialect = dialect
  }

  /// A key of a dialect that names modules in its own way; nil: it is not of these.
  private static func special(_ key: String, _ stripped: String) -> FileKey? {
    let suffixes: [(String, FactorRole)] = [(".down.weight", .loraA), (".up.weight", .loraB), (".alpha", .alpha)]
    for (suffix, role) in suffixes where stripped.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) {
      let stem = String(Substring(stripped.utf8.dropLast(suffix.utf8.count)))
      let segments = AdapterKey.segments(stem)
      let found: (module: String, dialect: String)?
      if let module = XLabs.module(segments) {
        found = (module, "XLabs")
      } else if let module = AttentionProcessors.module(segments) {
        found = (module, "diffusers attention processors")
      } else {
        found = nil
      }
      guard let found else { continue }
      return FileKey(
        module: found.module, stem: String(Substring(key.utf8.dropLast(suffix.utf8.count))), kind: .role(role),
        spelling: role == .alpha ? nil : .processor, dialect: found.dialect)
    }
    return nil
  }

  /// A name without what wrappers of a model put before it.
  private static func stripped(_ name: String) -> String {
    var segments = AdapterKey.segments(name)[...]
    while segments.count > 1, let first = segments.first, first == "module" || first == "_orig_mod" {
      segments.removeFirst()
    }
    return segments.filter { $0 != "_orig_mod" }.joined(separator: ".")
  }

  /// A flat name without underscores at its end, which TheLastBen's trainer left there.
  private static func withoutTrailingUnderscores(_ name: String) -> String {
    guard name.utf8.last == UInt8(ascii: "_"), !name.utf8.contains(UInt8(ascii: ".")) else { return name }
    var bytes = name.utf8[...]
    while bytes.last == UInt8(ascii: "_") { bytes.removeLast() }
    return String(Substring(bytes))
  }
}
