/// The kinds of adapters that are merged.
package enum Tuners {
  static let all: [any Tuner.Type] = [LoRA.self, LoHa.self, IA3.self]

  /// The tuner with this `peft_type`, in whatever letters; nil: none is known.
  static func named(_ peftType: String) -> (any Tuner.Type)? {
    all.first { $0.peftType.lowercased() == peftType.lowercased() }
  }

  /// Segments of keys that only tensors of tuners have, and no tensor of a model.
  package static let markers = Set(all.flatMap { $0.endings }.filter { $0.leniency == nil }.map(\.marker))
}
