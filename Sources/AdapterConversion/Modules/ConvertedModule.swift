import Adapters
import Safetensors

/// One module of a converted adapter, with its name in the model and without what a dialect puts around it.
struct ConvertedModule: Sendable {
  /// What it holds.
  enum Content: Sendable {
    case lowRank(ConvertedFactors)
    case copied(CopiedTensors)
  }

  /// The component of the image model; nil: the model is a language model.
  let component: Int?
  let name: String
  /// Of the weight in the names of the dialect; nil: it is not known.
  let weightShape: [Int]?
  /// The module of the adapter, for messages.
  let source: String
  let content: Content

  /// What multiplies its delta; nil: nothing does, whatever multiplies factors beside it.
  var scaling: Double? {
    switch content {
    case .lowRank(let factors): factors.scaling
    case .copied(let copied): copied.kind == .difference ? nil : copied.scaling
    }
  }
}

/// The factors of one module.
struct ConvertedFactors: Sendable {
  /// (out, r).
  var left: FactorMatrix
  /// (r, in), with a column for each position of a kernel.
  var right: FactorMatrix
  var core: Int?
  var isEmbedding = false
  /// The kernel that the adapter says; nil: it does not say.
  var kernel: [Int]?
  var strength: Strength
  var scaling: Double
  /// One row.
  var magnitudes: FactorMatrix?
  /// Whether rows have the magnitudes; if not, columns have.
  var areOfRows = true

  /// What follows the first two dimensions of the weight.
  func kernel(_ weightShape: [Int]?) -> [Int] { weightShape.map { Array($0.dropFirst(2)) } ?? kernel ?? [] }
}

/// Tensors of one module that are the same in several dialects, under the same endings: LoHa, LoKr, differences.
struct CopiedTensors: Sendable {
  /// Which kind of update they are.
  enum Kind: Equatable, Sendable {
    case loha, lokr, difference

    /// What messages call it.
    var title: String {
      switch self {
      case .loha: "LoHa"
      case .lokr: "LoKr"
      case .difference: "a full difference"
      }
    }
  }

  let kind: Kind
  /// The endings without alpha, and the tensors by their places in the table.
  let tensors: [(ending: String, tensor: Int)]
  /// The alpha of the file itself; nil: it has none.
  let alphaTensor: Int?
  /// nil: alpha scales nothing.
  let strength: Strength?
  let scaling: Double
}
