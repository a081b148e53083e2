/// A merge that is known to go wrong in this way.
public enum Fault: Hashable, Sendable {
  /// `lora_bias` added as it is: PEFT 0.14.0 to 0.15.1 (its pull request 2489).
  case loraBiasUnscaled
  case loraBiasDropped
  case trainedBiasDropped
  case savedModuleDropped
  case tokenRowsDropped
  case embeddingDropped
  /// The delta is not there at all.
  case deltaDropped
  /// DoRA's rescaling left out.
  case magnitudeIgnored
  /// alpha / r in place of alpha / sqrt(r).
  case rsloraIgnored
  /// alpha / sqrt(r) in place of alpha / r.
  case rsloraAssumed
  case patternsIgnored
  case scalingMissing
  case weightIgnored
  case addedTwice
  case addedOnce
  /// By a factor that is no known fault: told by the side on which elements are off.
  case scaleTooLarge
  case scaleTooSmall
  case subtracted
  case transposed
  /// One adapter of several left out; its place in the request.
  case adapterDropped(Int)

  /// All that need no number.
  static let withoutNumber: [Fault] = [
    .loraBiasUnscaled, .loraBiasDropped, .trainedBiasDropped, .savedModuleDropped, .tokenRowsDropped, .embeddingDropped,
    .deltaDropped, .magnitudeIgnored, .rsloraIgnored, .rsloraAssumed, .patternsIgnored, .scalingMissing, .weightIgnored,
    .addedTwice, .addedOnce, .scaleTooLarge, .scaleTooSmall, .subtracted, .transposed,
  ]

  /// A stable, greppable identifier.
  public var faultClass: String {
    switch self {
    case .loraBiasUnscaled: "lora-bias-unscaled"
    case .loraBiasDropped: "lora-bias-dropped"
    case .trainedBiasDropped: "bias-dropped"
    case .savedModuleDropped: "saved-module-dropped"
    case .tokenRowsDropped: "token-rows-dropped"
    case .embeddingDropped: "embedding-dropped"
    case .deltaDropped: "delta-dropped"
    case .magnitudeIgnored: "dora-ignored"
    case .rsloraIgnored: "rslora-ignored"
    case .rsloraAssumed: "rslora-assumed"
    case .patternsIgnored: "patterns-ignored"
    case .scalingMissing: "scaling-missing"
    case .weightIgnored: "weight-ignored"
    case .addedTwice: "delta-twice"
    case .scaleTooLarge, .scaleTooSmall: "scaling-off"
    case .addedOnce: "delta-once"
    case .subtracted: "delta-subtracted"
    case .transposed: "delta-transposed"
    case .adapterDropped: "adapter-dropped"
    }
  }

  /// What was done instead of what the adapter says.
  public var message: String {
    switch self {
    case .loraBiasUnscaled:
      "lora_bias was added without the scaling, as PEFT 0.14.0 to 0.15.1 does"
    case .loraBiasDropped: "lora_bias was not merged: the bias is the base's"
    case .trainedBiasDropped: "the trained bias was not merged: it is the base's"
    case .savedModuleDropped: "modules_to_save was not merged: the tensor is the base's"
    case .tokenRowsDropped: "the trained token rows were not merged"
    case .embeddingDropped: "the LoRA of the embedding was not merged: it is the base's"
    case .deltaDropped: "the delta was not added: the tensor is the base's"
    case .magnitudeIgnored: "DoRA was ignored: the delta was added without rescaling"
    case .rsloraIgnored: "use_rslora was ignored: the scaling is alpha / r, not alpha / sqrt(r)"
    case .rsloraAssumed: "the scaling is that of rsLoRA, alpha / sqrt(r), not alpha / r"
    case .patternsIgnored: "rank_pattern or alpha_pattern was ignored in the scaling"
    case .scalingMissing: "the delta was added without the scaling"
    case .weightIgnored: "the adapter's weight was ignored"
    case .addedTwice: "the delta was added twice"
    case .scaleTooLarge:
      "the delta was added with too large a scaling: nearly all elements are off to that side"
    case .scaleTooSmall:
      "the delta was added with too small a scaling: nearly all elements are off to that side"
    case .addedOnce: "the delta was added once, not twice as PEFT does with out_proj"
    case .subtracted: "the delta was subtracted"
    case .transposed: "the delta was added transposed (fan_in_fan_out)"
    case .adapterDropped(let number): "adapter \(number + 1) was not merged"
    }
  }
}
