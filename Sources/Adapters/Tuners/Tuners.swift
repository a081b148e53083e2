/// The kinds of adapters that are merged.
package enum Tuners {
  static let all: [any Tuner.Type] = [LoRA.self] + adding + drawing + others

  private static let adding: [any Tuner.Type] = [
    LoHa.self, LoKr.self, AdaLoRA.self, HiRA.self, DeLoRA.self, MiSS.self, Bone.self, SHiRA.self, SuperTuning.self,
    VBLoRA.self, C3A.self, GraLoRA.self, DEFT.self, PEANuT.self, OSF.self,
  ]
  /// Those that draw random numbers, or share what once was drawn.
  private static let drawing: [any Tuner.Type] = [
    VeRA.self, PVeRA.self, RandLoRA.self, UniLoRA.self, TinyLoRA.self, FourierFT.self, WaveFT.self,
  ]
  private static let others: [any Tuner.Type] = [
    BEFT.self, GLoRA.self, IA3.self, OFT.self, BOFT.self, HRA.self, RoAd.self, LNTuning.self, TrainableTokens.self,
  ]

  /// The tuner with this `peft_type`, in whatever letters; nil: none is known.
  static func named(_ peftType: String) -> (any Tuner.Type)? {
    all.first { $0.peftType.lowercased() == peftType.lowercased() }
  }

  /// With what the names of their tensors begin, up to the first underscore. Not of those that are named after the model's
  /// own, as in `ln_tuning_layers`.
  static let prefixes = Set(
    all.flatMap { $0.endings }.filter { if case .factor = $0.role { $0.leniency == nil } else { false } }
      .map { $0.marker.prefix { $0 != "_" } + "_" }
  ).sorted()

  /// Segments of keys that only tensors of tuners have, and no tensor of a model.
  package static let markers = Set(all.flatMap(endings).filter { $0.leniency == nil }.map(\.marker))

  private static func endings(_ tuner: any Tuner.Type) -> [KeyEnding] {
    let shared = tuner.shared + tuner.numbered
    return tuner.endings + shared.map { KeyEnding($0) }
  }
}
