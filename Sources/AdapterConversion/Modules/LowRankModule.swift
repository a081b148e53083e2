import Adapters
import Safetensors

/// The factors of LoRA of one module, wherever its file has them: `delta = scaling left right`.
struct LowRankModule: Sendable {
  /// The norms that DoRA trains.
  struct Magnitudes: Sendable {
    let values: Factor
    /// Whether each row of the delta has one, as in PEFT; if not, each column.
    let areOfRows: Bool
  }

  /// As the adapter has it.
  let name: String
  /// (out, r); of an embedding (dimension, r).
  let left: Factor
  /// (r, in), with a column for each position of a kernel; of an embedding (r, vocabulary).
  let right: Factor
  /// The core of a Tucker decomposition, (r, r, *kernel); nil: the update has no core.
  let core: Int?
  let isEmbedding: Bool
  /// The kernel that the adapter says; nil: it does not say.
  let kernel: [Int]?
  let rank: Int
  /// What the adapter states, if `alpha / rank` is the scaling; nil: it does not, or has another formula.
  let alpha: Double?
  let scaling: Double
  let magnitudes: Magnitudes?

  /// What a module's update is as a product of factors.
  ///
  /// - Throws: By name, what the update has that is no such product.
  init(_ update: ModuleUpdate, _ table: TensorTable, _ path: String, _ dialect: AdapterDialect) throws(ConversionError)
  {
    func refuse(_ what: String, holdsLoRA: Bool = true) -> ConversionError {
      ConversionError(
        path: path, .notHeld(what: what, dialect: dialect, holdsLoRA: holdsLoRA || dialect == .peft),
        module: update.module)
    }
    guard update.target == .weight else {
      throw refuse("it changes a parameter, such as stacked experts", holdsLoRA: false)
    }
    if update.bias != nil { throw refuse("it changes a bias too", holdsLoRA: false) }
    if update.paddedShape != nil { throw refuse("it widens the weight", holdsLoRA: false) }
    var isPlain = false
    switch update.layout {
    case .linear, .flattened, .matrix: (isEmbedding, kernel, isPlain) = (false, nil, true)
    case .embedding: (isEmbedding, kernel, isPlain) = (true, nil, true)
    case .convolution(let kernel, let groups): (isEmbedding, self.kernel, isPlain) = (false, kernel, groups == 1)
    case .experts, .channels, .vector: (isEmbedding, kernel) = (false, nil)
    }
    guard isPlain else { throw refuse("its factors are those of groups or of stacked experts", holdsLoRA: false) }
    guard let step = update.steps.first, update.steps.count == 1, let addition = step.addition, addition.isPlain,
      addition.shift.isEmpty, let term = addition.terms.first, addition.terms.count == 1, term.scaling == 1,
      let rank = update.rank, let scaling = update.scaling
    else { throw refuse("it is no LoRA") }
    switch term.formula {
    case .product(let left, let right, nil): (self.left, self.right, core) = (left, right, nil)
    case .tucker(let left, let core, let right): (self.left, self.right, self.core) = (left, right, core.tensor)
    default: throw refuse("it is no product of two factors")
    }
    switch step {
    case .add: magnitudes = nil
    case .rescale(let rescaling):
      magnitudes = Magnitudes(values: rescaling.magnitudes, areOfRows: rescaling.axis == .rows)
    default: throw refuse("it is no LoRA")
    }
    name = update.module
    self.rank = rank
    self.scaling = scaling
    alpha = update.alpha.flatMap { $0 / Double(rank) == scaling ? $0 : nil }
  }
}
