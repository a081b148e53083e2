/// What an adapter does to one module.
public struct AdapterLayer: Equatable, Sendable {
  /// How the factors make up the update.
  public enum Kind: Equatable, Sendable {
    /// `W + scaling * B A`, for a weight of (out, in).
    case linear
  }

  /// Where the module stands in the model, such as `model.layers.0.self_attn.q_proj`.
  public let module: String
  /// How the factors make up the update.
  public let kind: Kind
  /// r: what config or pattern say and the factors' shapes confirm.
  public let rank: Int
  /// alpha: what config or pattern say.
  public let alpha: Double
  /// The factor of the update, from rank and alpha: see ``AdapterConfig/scaling(rank:alpha:)``.
  public let scaling: Double
  /// The key of `rank_pattern` that decided the rank; nil: `r` did.
  public let rankPattern: String?
  /// The key of `alpha_pattern` that decided alpha; nil: `lora_alpha` did.
  public let alphaPattern: String?
  /// Columns of A.
  public let inFeatures: Int
  /// Rows of B.
  public let outFeatures: Int
  /// Where `lora_A.weight`, (rank, in), stands in the adapter's tensor table.
  public let a: Int
  /// Where `lora_B.weight`, (out, rank), stands in the adapter's tensor table.
  public let b: Int
  /// Where the bias of lora_B, (out), stands in the adapter's tensor table: `scaling * bias` is added to the module's.
  public let bias: Int?

  /// The tensors of the adapter that this layer uses.
  public var tensorIndices: [Int] { [a, b] + (bias.map { [$0] } ?? []) }
}
