/// What an adapter adds to one module or parameter: a product of two small factors.
public struct AdapterLayer: Equatable, Sendable {
  /// How the factors make up the update.
  public enum Kind: Equatable, Sendable {
    /// `scaling * B A`, with A (rank, in) and B (out, rank): Linear, Conv1D of transformers (whose weight is stored
    /// transposed), the input projection of MultiheadAttention, a parameter of two dimensions.
    case linear
    /// `scaling * (B A)` transposed, with A (rank, vocabulary) and B (dimension, rank).
    case embedding
    /// `scaling * B A` in the shape of the weight, with A (rank, in, *kernel) and B (out, rank, 1, ...). For a
    /// convolution in groups B is (out, rank / groups, 1, ...): see ``AdapterLayer/groups``.
    case convolution(kernel: [Int])
    /// A parameter that stacks `count` experts: A (rank * count, x) and B (y, rank * count); expert e has rows
    /// `e * rank + k` of A, and the columns of B that ``AdapterLayer/expertLayout`` says. With
    /// ``AdapterLayer/factorStack`` each expert has a matrix of its own instead.
    case experts(count: Int)
  }

  /// Where the update goes.
  public enum Target: Equatable, Sendable {
    /// The module's `weight`; of a MultiheadAttention `in_proj_weight`.
    case weight
    /// A parameter of the module: its name is the module's, a dot and this.
    case parameter(String)
    /// The output projection of a MultiheadAttention; ``AdapterLayer/module`` is its path. PEFT up to 0.21.2 applies
    /// the update twice, in training and in a merge.
    case attentionOutput
  }

  /// Where the module stands in the model, such as `model.layers.0.self_attn.q_proj`.
  public let module: String
  /// How the factors make up the update.
  public let kind: Kind
  /// Where the update goes.
  public let target: Target
  /// r: what config or pattern say and the factors' shapes confirm; of each expert.
  public let rank: Int
  /// alpha: what config or pattern say.
  public let alpha: Double
  /// The factor of the update, from rank and alpha: see ``AdapterConfig/scaling(rank:alpha:)``.
  public let scaling: Double
  /// The key of `rank_pattern` that decided the rank; nil: `r` did.
  public let rankPattern: String?
  /// The key of `alpha_pattern` that decided alpha; nil: `lora_alpha` did.
  public let alphaPattern: String?
  /// Columns of A as a matrix; of a convolution the product of in and kernel, of a block-diagonal A all of them.
  public let inFeatures: Int
  /// Rows of B.
  public let outFeatures: Int
  /// Groups of a convolution, as B's shape says; else 1.
  public let groups: Int
  /// How B's columns are ordered, where ``kind`` is experts; without meaning for one expert or rank 1.
  public let expertLayout: ExpertLayout
  /// How the factors of stacked experts lie, where each has three dimensions; nil: as PEFT writes them.
  public let factorStack: FactorStack?
  /// Whether A is stored (in, rank) and B (rank, out), as MLX writes them.
  public let areFactorsTransposed: Bool
  /// Whether the keys name the parameter that stacks experts, as Unsloth and other trainers do, and not its wrapper.
  public let isNamedByParameter: Bool
  /// Which factor is stored as the blocks of its diagonal (BD-LoRA); nil: none.
  public let blockDiagonal: BlockDiagonal?
  /// Where A stands in the adapter's tensor table.
  public let a: Int
  /// Where B stands in the adapter's tensor table.
  public let b: Int
  /// Where the bias of lora_B, (out), stands in the adapter's tensor table: `scaling * bias` is added to the module's.
  public let bias: Int?
  /// Where DoRA's magnitudes stand in the adapter's tensor table: one for each row of B, of a convolution
  /// (1, out, 1, ...).
  public let magnitude: Int?
  /// Where KaSA's diagonal, (r), stands in the adapter's tensor table: the update is `scaling * (B diag) A`.
  public let diagonal: Int?
  /// What the update needs taken out of the base's weight before it is added; nil: nothing.
  public let decomposition: Decomposition?

  /// The tensors of the adapter that this layer uses.
  public var tensorIndices: [Int] { [a, b] + [bias, magnitude, diagonal].compactMap { $0 } }
}

/// How the columns of B are ordered in an update of stacked experts.
public enum ExpertLayout: String, Sendable, CaseIterable {
  /// Column `k * count + e` is component k of expert e: PEFT's order.
  case rankMajor = "rank_major"
  /// Column `e * rank + k` is component k of expert e: the order of Unsloth before 2026-09-17.
  case expertMajor = "grouped_by_expert"
}

/// Factors of three dimensions, as Tinker, Megatron-Bridge and SkyRL write them: A (experts, rank, in) and B
/// (experts, out, rank).
public struct FactorStack: Equatable, Sendable {
  /// All experts have one A: (1, rank, in).
  public let sharesA: Bool
  /// All experts have one B: (1, out, rank).
  public let sharesB: Bool
}

/// A factor that is stored as the blocks of its diagonal.
///
/// Source: PEFT 0.21.2 `BlockDiagonalLinear`: chunk n of the stored rows is the n-th block.
public struct BlockDiagonal: Equatable, Sendable {
  /// A is stored as (rank, in / blocks).
  public let a: Bool
  /// B is stored as (out, rank / blocks).
  public let b: Bool
  public let blocks: Int
}
