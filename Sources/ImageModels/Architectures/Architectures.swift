/// Every architecture that is known.
enum Architectures {
  /// In the order in which they are tried; the first that fits is the one. The UNets are apart, because their tables follow from
  /// the base's sizes.
  static let transformers: [Architecture] = [
    StableDiffusion3.architecture, Chroma.architecture, Flux2.architecture, Flux3.architecture,
    Flux1.architecture,
    HunyuanVideo.architecture, Wan.architecture, ZImage.architecture, Lumina2.architecture,
    QwenImage.architecture, QwenImage21.architecture, HiDream.architecture, LTX2.architecture, LTXVideo.architecture,
    AuraFlow.architecture,
    Sana.architecture, PixArt.architecture, Mochi.architecture, Cosmos2.architecture,
    Krea2.architecture, StableCascade.prior, StableCascade.decoder,
  ]

  /// The architecture of a diffusion model with these names; nil: none is known that fits.
  static func find(_ names: Set<String>, shape: (String) -> [Int]?) -> Architecture? {
    UNet(names, shape: shape)?.architecture ?? transformers.first { $0.scheme(of: names) != nil }
  }
}
