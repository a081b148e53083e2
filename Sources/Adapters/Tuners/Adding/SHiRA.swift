import JSONText
import Safetensors

/// SHiRA: `W[i_k, j_k] + w_k`, some elements of the weight and what was trained of each.
///
/// Sources: Bhardwaj et al., arXiv:2406.13175; PEFT 0.21.2 `shira.Linear.get_delta_weight`.
struct SHiRA: ModuleTuner {
  static let peftType = "SHIRA"
  static let name = "SHiRA"

  static let fields: [ConfigField] = [
    .ignored("r", because: "the file has as many elements as were trained"),
    .ignored("mask_type", because: "the file has the places of the elements"),
    .ignored("random_seed", because: "the file has the places of the elements"),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// (n).
  private static let values = FactorRole("shira_weight")
  /// (2, n): rows and columns.
  private static let places = FactorRole("shira_indices")
  private static let roles = [values, places]

  static let endings = roles.map { KeyEnding($0) }

  init(_ reader: ConfigReader) throws(AdapterError) {}

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let shape = try module.required(Self.values).shape
    _ = try module.requiredIndices(Self.places)
    guard shape.count == 1 else { throw module.failure(.shape(expected: "(n)", found: shape), at: module[Self.values]) }
    let count = shape[0]
    try module.check(Self.places, is: [2, count])
    let formula = Formula.scattered(
      values: Factor.rowMajor(try module.place(of: Self.values), rows: 1, columns: count),
      places: .rowMajor(try module.place(of: Self.places), rows: 2, columns: count), rows: 1, columns: 1)
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: nil, inFeatures: nil,
      outWitness: try module.witness(Self.places), inWitness: try module.witness(Self.places),
      steps: [.add(Addition([Term(rows: 0..<1, columns: 0..<1, formula, scaling: 1)]))],
      tensorIndices: module.indices(of: Self.roles))
    update.isFitted = true
    update.scaling = 1
    return update
  }
}
