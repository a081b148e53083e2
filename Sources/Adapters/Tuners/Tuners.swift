/// The kinds of adapters that are merged.
package enum Tuners {
  static let all: [any Tuner.Type] = [
    LoRA.self, LoHa.self, LoKr.self, AdaLoRA.self, VeRA.self, PVeRA.self, HiRA.self, DeLoRA.self, MiSS.self, Bone.self,
    SHiRA.self, VBLoRA.self, C3A.self, GraLoRA.self, BEFT.self, GLoRA.self, DEFT.self, PEANuT.self, OSF.self, IA3.self,
    OFT.self, BOFT.self, HRA.self, RoAd.self, LNTuning.self, TrainableTokens.self,
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
  package static let markers = Set(
    all.flatMap { $0.endings + $0.shared.map { KeyEnding($0) } }.filter { $0.leniency == nil }.map(\.marker))
}
