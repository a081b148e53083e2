import ModelNames
import Safetensors

/// Finds the components of a base by the beginnings of its tensors' names.
struct ComponentSearch {
  typealias Tensor = FoundComponent.Tensor

  /// Beginnings of a diffusion model's names in single files, in the order in which they are tried. The last two are also of
  /// language models, so there an architecture must be recognized.
  private static let diffusionPrefixes = ["model.diffusion_model.", "diffusion_model.", "model.model.", "net.", ""]
  private static let certainPrefixes: Set<String> = ["model.diffusion_model.", "diffusion_model."]
  /// Beginnings of what is no target: averaged copies and control networks.
  private static let excluded = ["model_ema.", "control_model."]
  /// Beginnings of the VAE, which is no target either.
  private static let autoencoderPrefixes = ["first_stage_model.", "vae.", "vae/"]
  /// Parts of a diffusers folder that are diffusion models.
  private static let diffusionFolders = ["unet", "transformer", "transformer_2", "prior", "decoder"]

  /// The diffusion models, then the text encoders.
  private(set) var found: [FoundComponent] = []
  /// The VAEs.
  private(set) var autoencoders: [FoundComponent] = []
  /// The diffusion model's name; nil: the base has no diffusion model.
  private(set) var architecture: String?
  /// Whether the diffusion model's names are known in more than one spelling.
  private(set) var isRecognized = false

  init(names: some Sequence<TensorName>, in tensors: some NamedTensors) {
    var groups: [String: [Tensor]] = [:]
    var folders = false
    for name in names {
      guard let shape = tensors.storedShape(of: name) ?? tensors.shape(of: name) else { continue }
      let text = name.string
      let prefix: String
      if let slash = text.utf8.firstIndex(of: UInt8(ascii: "/")) {
        prefix = String(text[...slash])
        folders = true
      } else {
        guard let own = Self.prefix(of: text) else { continue }
        prefix = own
      }
      groups[prefix, default: []].append((name, String(text.dropFirst(prefix.count)), shape))
    }
    for prefix in Self.autoencoderPrefixes {
      if let tensors = groups.removeValue(forKey: prefix) { addAutoencoder(tensors, prefix) }
    }
    if folders {
      findFolders(groups)
    } else {
      findSingleFile(groups)
    }
  }

  /// The beginning of a name in a single file; nil: the tensor is no target.
  private static func prefix(of name: String) -> String? {
    if excluded.contains(where: name.hasPrefix) { return nil }
    if let prefix = autoencoderPrefixes.first(where: name.hasPrefix) { return prefix }
    if let prefix = diffusionPrefixes.first(where: { !$0.isEmpty && name.hasPrefix($0) }) { return prefix }
    return TextEncoders.prefix(of: name) ?? ""
  }

  private mutating func findSingleFile(_ groups: [String: [Tensor]]) {
    for prefix in Self.diffusionPrefixes {
      guard let tensors = groups[prefix] else { continue }
      if add(tensors, prefix, isCertain: Self.certainPrefixes.contains(prefix)) { break }
    }
    let prefixes = groups.keys.sorted()
    for prefix in prefixes where !Self.diffusionPrefixes.contains(prefix) {
      // Beside the model, an encoder may have a number of its own, such as CLIP's logit_scale.
      if prefixes.contains(where: { $0 != prefix && $0.hasPrefix(prefix) }) { continue }
      addEncoder(groups[prefix] ?? [], prefix, TextEncoders.kind(prefix: prefix, groups[prefix] ?? []))
    }
    if found.isEmpty, let tensors = groups[""] { addEncoder(tensors, "", TextEncoders.kind(alone: tensors)) }
  }

  private mutating func findFolders(_ groups: [String: [Tensor]]) {
    for folder in Self.diffusionFolders {
      guard let tensors = groups[folder + "/"] else { continue }
      _ = add(tensors, folder + "/", isCertain: true)
    }
    var hasCLIP = false
    for prefix in groups.keys.sorted() where prefix.hasPrefix("text_encoder") {
      let tensors = groups[prefix] ?? []
      let kind = TextEncoders.kind(folder: String(prefix.dropLast()), tensors, hasCLIP: hasCLIP, of: architecture)
      if kind == .clipL || kind == .clipH { hasCLIP = true }
      addEncoder(tensors, prefix, kind)
    }
  }

  /// Adds a diffusion model.
  ///
  /// - Returns: Whether it is one.
  private mutating func add(_ tensors: [Tensor], _ prefix: String, isCertain: Bool) -> Bool {
    let names = Set(tensors.map(\.own))
    let shapes = { (name: String) in tensors.first { $0.own == name }?.shape }
    let known = Architectures.find(names, shape: shapes)
    guard isCertain || known != nil else { return false }
    if architecture == nil || !isRecognized { architecture = known?.name ?? "unknown" }
    isRecognized = isRecognized || known != nil
    let component = Component(kind: .diffusionModel, scheme: known?.scheme(of: names) ?? .native, prefix: prefix)
    found.append(FoundComponent(component: component, architecture: known, tensors: tensors))
    return true
  }

  private mutating func addAutoencoder(_ tensors: [Tensor], _ prefix: String) {
    let names = Set(tensors.map(\.own))
    let known = Autoencoder(names)?.architecture
    autoencoders.append(
      FoundComponent(
        component: Component(kind: .autoencoder, scheme: known?.scheme(of: names) ?? .native, prefix: prefix),
        architecture: known, tensors: tensors))
  }

  private mutating func addEncoder(_ tensors: [Tensor], _ prefix: String, _ kind: Component.Kind?) {
    guard let kind else { return }
    let isCLIP = kind == .clipL || kind == .clipH || kind == .clipG
    let isNative = OpenCLIP.architecture.scheme(of: Set(tensors.map(\.own))) == .native
    found.append(
      FoundComponent(
        component: Component(kind: kind, scheme: isCLIP && isNative ? .native : .diffusers, prefix: prefix),
        architecture: kind == .clipH || kind == .clipG ? OpenCLIP.architecture : nil,
        tensors: isCLIP && !isNative ? TextEncoders.withTextModel(tensors) : tensors))
  }
}
