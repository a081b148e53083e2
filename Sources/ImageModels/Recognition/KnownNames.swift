/// The names that the modules of a diffusion model's architecture have, in all spellings.
struct KnownNames: Sendable {
  /// What texts call the architecture.
  let architecture: String
  /// Flat names.
  private var names: Set<String> = []
  /// Flat beginnings, with an underscore at the end, below which every name is known.
  private var beginnings: [String] = []
  /// Whether numbers count: otherwise `#` stands for any.
  private let isExact: Bool
  /// The width of what cross-attention attends to in the models of that name; nil if it differs, or they have no cross-attention.
  let contextWidth: Int?

  /// The names of an architecture's tables, for any number of blocks.
  init(_ architecture: Architecture) {
    self.architecture = architecture.name
    (isExact, contextWidth) = (false, nil)
    for table in architecture.tables {
      for rule in table.rules {
        add(rule.native.key, isParameter: rule.isParameter)
        add(rule.diffusers.key, isParameter: rule.isParameter)
      }
      for alias in table.aliases { add(alias.native.key, isParameter: alias.isParameter) }
      beginnings += table.renamedBeginnings.map { FlatName.numberless($0) + "_" }
    }
    for (beginning, list) in architecture.alike {
      for name in list.split(whereSeparator: \.isWhitespace) {
        add(ModulePattern(beginning.isEmpty ? String(name) : "\(beginning).\(name)").key, isParameter: false)
      }
    }
  }

  /// The names of one UNet, block by block.
  init(_ unet: PublishedUNet) {
    architecture = unet.name
    contextWidth = unet.contextWidth
    isExact = true
    names = Set(unet.modules.map { FlatName.exact($0) })
  }

  private mutating func add(_ key: String, isParameter: Bool) {
    names.insert(FlatName.numberless(key))
    // A parameter is a module's, whose name an adapter may have.
    guard isParameter, let dot = key.lastIndex(of: "."), [".weight", ".bias", ".scale"].contains(key[dot...]) else {
      return
    }
    names.insert(FlatName.numberless(key[..<dot]))
  }

  /// Whether a module has this name, without the beginning that adapters put before it.
  func contains(_ module: FlatName) -> Bool {
    let flat = isExact ? module.exact : module.numberless
    if names.contains(flat) { return true }
    // Old attention processors leave out the number of the only output layer.
    if flat.hasSuffix("to_out"), names.contains(flat + (isExact ? "_0" : "_#")) { return true }
    return beginnings.contains { flat.hasPrefix($0) }
  }

  /// Of all architectures, in the order in which texts name them.
  static let all: [KnownNames] =
    PublishedUNet.all.map { KnownNames($0) }
    + [
      Flux1.architecture, Chroma.architecture, Flux2.architecture, Flux3.architecture, StableDiffusion3.architecture,
      QwenImage.architecture, QwenImage21.architecture, ZImage.architecture, Lumina2.architecture, Wan.architecture,
      HunyuanVideo.architecture, LTXVideo.architecture, LTX2.architecture, HiDream.architecture,
      AuraFlow.architecture, PixArt.architecture, Sana.architecture, Mochi.architecture, Cosmos2.architecture,
      Krea2.architecture, StableCascade.prior, StableCascade.decoder,
    ].map { KnownNames($0) }
}
