/// The update of one module or parameter by an adapter.
///
/// A `Tuner` makes it from names and shapes alone; the plan places it in a base. The steps are those of a matrix of
/// ``outFeatures`` rows and ``inFeatures`` columns, as the module computes `y = W x`, whatever way the base stores W.
public struct ModuleUpdate: Equatable, Sendable {
  /// The layout of the steps' matrix in the tensor that they change.
  public enum Layout: Equatable, Sendable {
    /// The weight of a linear layer: (out, in), or (in, out) where the base stores it transposed (Conv1D of
    /// transformers). Also the input projection of a MultiheadAttention and a parameter of two dimensions.
    case linear
    /// The weight of an embedding, (vocabulary, dimension): the matrix is (dimension, vocabulary).
    case embedding
    /// The weight of a convolution, (out, in / groups, *kernel), as a matrix of `out` rows.
    case convolution(kernel: [Int], groups: Int)
    /// A parameter that stacks `count` matrices, (count, out, in) or (count, in, out): the matrices of the steps stand
    /// below each other. `columns` says how the left factors' columns are ordered in the file; nil: each matrix has
    /// factors of its own.
    case experts(count: Int, columns: ExpertLayout?)
    /// Any weight, as a matrix of its first dimension and all others; never stored transposed.
    case flattened
    /// A weight of two dimensions like that of a linear layer; one of more as a matrix of its first dimension and all
    /// others.
    case matrix
    /// The weight of a convolution of so many dimensions, as a matrix of (out, in): each element stands for a kernel, so
    /// that a column's factor multiplies every position.
    case channels(dimensions: Int)
    /// A vector, such as a bias: the steps' matrix is its one row, and ``ModuleUpdate/outFeatures`` its length.
    case vector
  }

  /// The target of the update.
  public enum Target: Equatable, Sendable {
    /// The module's `weight`; of a MultiheadAttention `in_proj_weight`.
    case weight
    /// A parameter of the module: its name is the module's, a dot and this.
    case parameter(String)
    /// The output projection of a MultiheadAttention; ``ModuleUpdate/module`` is its path. PEFT up to 0.21.2 applies
    /// the update twice, in training and in a merge.
    case attentionOutput
  }

  /// A tensor whose shape says one of the dimensions, for errors about them.
  public struct Witness: Equatable, Sendable {
    /// Where it is in the adapter's tensor table.
    public let tensor: Int
    /// What a message calls it, such as `A`.
    public let name: String

    public init(_ tensor: Int, _ name: String) {
      self.tensor = tensor
      self.name = name
    }
  }

  /// A tensor that is another one of the file once more.
  public struct Copy: Equatable, Sendable {
    /// Where they are in the adapter's tensor table.
    public let copy: Int
    public let original: Int
  }

  /// The update of the module's bias.
  public struct Bias: Equatable, Sendable {
    /// Of one row of ``count`` columns.
    public let steps: [UpdateStep<Factor>]
    /// Nil: as many as the bias has, to which the terms are fitted.
    public let count: Int?
    /// The tensor that asks for it.
    public let witness: Witness
    /// Whether a module without a bias is an error. If not, such a module is left as it is.
    public let isRequired: Bool
    /// Whether ``ModuleUpdate/scaling`` multiplies what is added to it too.
    public var isScaled = true
    /// One column of as many rows as the module has inputs, whose product with the weight before the update is added too, to
    /// the last step; nil: none is.
    public var image: Formula<Factor>?
    /// Whether PEFT rounds the delta to the base's dtype before it adds it; only `--arithmetic peft` asks.
    public var roundsDelta = false

    public init(_ steps: [UpdateStep<Factor>], count: Int?, witness: Witness, isRequired: Bool) {
      self.steps = steps
      self.count = count
      self.witness = witness
      self.isRequired = isRequired
    }
  }

  /// Where the module is in the model, such as `model.layers.0.self_attn.q_proj`.
  public let module: String
  public var target = Target.weight
  public private(set) var layout: Layout
  /// Rows of the steps' matrix, of one expert's where there are several; nil: as many as the weight has.
  public let outFeatures: Int?
  /// Columns of the steps' matrix; of a convolution the product of in and kernel; nil: as many as the weight has.
  public let inFeatures: Int?
  /// The tensors that say the rows and the columns.
  public let outWitness: Witness
  public let inWitness: Witness
  /// Done in this order. The scalings of their terms are relative to ``scaling``.
  public internal(set) var steps: [UpdateStep<Factor>]
  /// Whether the terms are repeated or cut to as many rows and columns as the weight has: the factors don't tell how many.
  public var isFitted = false
  /// What the columns of the weight are a multiple of; nil: their number is open, or is ``inFeatures``.
  public var columnUnit: Int?
  /// Whether a convolution of more than one position computes with something that no weight can hold, although PEFT merges it.
  public var foldsWindows = false
  /// Nil: the bias stays.
  public var bias: Bias?
  /// Whether PEFT rounds the delta to the base's dtype before it adds it; only `--arithmetic peft` asks.
  public var roundsDelta = false
  /// What PEFT divides the delta by, after it has multiplied it by ``scaling`` times this; nil: it multiplies by
  /// ``scaling``. Only `--arithmetic peft` asks.
  public var divisor: Double?
  /// Whether PEFT multiplies the sum of all terms by ``scaling``, and not each; only `--arithmetic peft` asks.
  public var scalesSum = false
  /// r: what config or pattern say and the factors' shapes confirm; nil: the method has none.
  public var rank: Int?
  /// alpha: what config or pattern say; nil: the method has none.
  public var alpha: Double?
  /// Multiplies every term; nil: the method has no scaling, and no weight can be given to the update.
  public var scaling: Double?
  /// Whether a weight mixes what the module becomes with what it was, `W + weight (f(W) - W)`, and updates of several adapters follow
  /// each other, each of what those before it made: updates of image models' adapters that are no sum of a delta. ``scaling`` is
  /// then the delta's own.
  public var mixesResult = false
  /// The shape that the weight has once zeros were put behind its rows and columns, before anything else; nil: it is not padded.
  public var paddedShape: [Int]?
  /// The key of `rank_pattern` that decided the rank; nil: `r` did.
  public var rankPattern: String?
  /// The key of `alpha_pattern` that decided alpha; nil: the config's own alpha did.
  public var alphaPattern: String?
  /// Tensors of the module that must be equal to others of the file, whose copies they are.
  public var copies: [Copy] = []
  /// The tensors of the adapter that the update uses.
  public internal(set) var tensorIndices: [Int]

  public init(
    module: String, layout: Layout, outFeatures: Int?, inFeatures: Int?, outWitness: Witness, inWitness: Witness,
    steps: [UpdateStep<Factor>], tensorIndices: [Int]
  ) {
    self.module = module
    self.layout = layout
    self.outFeatures = outFeatures
    self.inFeatures = inFeatures
    self.outWitness = outWitness
    self.inWitness = inWitness
    self.steps = steps
    self.tensorIndices = tensorIndices
  }

  /// What the update needs taken out of the base's weight before anything else; nil: nothing.
  public var decomposition: DecompositionStep? {
    for case .subtract(let decomposition) in steps { return decomposition }
    return nil
  }

  /// The experts that the update stacks; nil: it is of one matrix.
  package var expertCount: Int? { if case .experts(let count, _) = layout { count } else { nil } }

  /// Whether columns are cut off that other modules need.
  package var isCut: Bool {
    isFitted && steps.contains { $0.terms.contains { if case .composed = $0.formula { true } else { false } } }
  }

  /// Whether it multiplies the weight by another matrix.
  package var rotates: Bool { steps.contains { if case .rotate = $0 { true } else { false } } }

  /// Whether it rescales rows or columns to norms: DoRA.
  package var rescales: Bool { steps.contains { if case .rescale = $0 { true } else { false } } }
}

/// The order of the left factor's columns in an update of stacked experts.
public enum ExpertLayout: String, Sendable, CaseIterable {
  /// Column `k * count + e` is component k of expert e: PEFT's order.
  case rankMajor = "rank_major"
  /// Column `e * rank + k` is component k of expert e: the order of Unsloth before 2026-09-17.
  case expertMajor = "grouped_by_expert"
}

extension ModuleUpdate {
  /// The same update with the columns of the left factors in another order; as it is where each expert has factors of its
  /// own, or where there are none.
  package func ordering(experts columns: ExpertLayout) -> ModuleUpdate {
    guard case .experts(let count, .some) = layout else { return self }
    var changed = self
    changed.layout = .experts(count: count, columns: columns)
    changed.steps = steps.map { step in
      guard let addition = step.addition else { return step }
      return step.with(addition.with(addition.terms.enumerated().map { $1.ordered(expert: $0, of: count, columns) }))
    }
    return changed
  }
}

extension Term where Operand == Factor {
  /// The term of one expert with the columns of its left factor in another order.
  fileprivate func ordered(expert: Int, of count: Int, _ layout: ExpertLayout) -> Term {
    guard case .product(let left, let right, let diagonal) = formula else { return self }
    let ordered = Factor(
      left.tensor, rows: left.rows, columns: left.columns, expert: expert, of: count, ordered: layout)
    return Term(
      rows: rows, columns: columns, .product(left: ordered, right: right, diagonal: diagonal), scaling: scaling)
  }
}

extension Factor {
  /// The left factor of one expert in a tensor of (rows, columns * count), the columns of all experts in an order.
  init(_ tensor: Int, rows: Int, columns: Int, expert: Int, of count: Int, ordered layout: ExpertLayout) {
    let isExpertMajor = layout == .expertMajor
    self.init(
      tensor, rows: rows, columns: columns, offset: isExpertMajor ? expert * columns : expert,
      rowStride: columns * count, columnStride: isExpertMajor ? 1 : count)
  }
}
