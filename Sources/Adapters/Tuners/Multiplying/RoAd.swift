import JSONText
import Safetensors

/// RoAd: outputs that are turned and stretched in pairs, `W' = R W` and `b' = R b`.
///
/// With x and y the rows of a pair `x' = a x cos t - a y sin t` and `y' = a y cos t + a x sin t`; a and t are the same for both
/// rows (road_1), each row has its own (road_2), or each of the four products has (road_4).
///
/// Sources: Liao et al., arXiv:2409.00119; PEFT 0.21.2 `road.layer._prepare_cols`, `_get_delta_weight`, `Linear.merge`.
struct RoAd: ModuleTuner {
  static let peftType = "ROAD"
  static let name = "RoAd"

  static let fields: [ConfigField] = [
    .used("variant"), .used("group_size"), .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// What `variant` says: which products have the same numbers.
  private enum Variant: String, CaseIterable {
    case pairs = "road_1"
    case rows = "road_2"
    case products = "road_4"

    /// The rows of the weight that n numbers are for.
    func rows(_ count: Int) -> Int? {
      switch self {
      case .pairs: 2 * count
      case .rows: count
      case .products: count % 2 == 0 ? count / 2 : nil
      }
    }
  }

  /// (out / 2), (out) or (2 out), by the variant.
  private static let angles = FactorRole("road_theta")
  private static let scales = FactorRole("road_alpha")
  private static let roles = [angles, scales]

  static let endings = roles.map { KeyEnding($0) }

  private let variant: Variant
  private let groupSize: Int

  init(_ reader: ConfigReader) throws(AdapterError) {
    let name = try reader.string("variant") ?? Variant.pairs.rawValue
    guard let variant = Variant(rawValue: name) else {
      throw reader.failure("variant", expected: "\"road_1\", \"road_2\" or \"road_4\"", .string(name))
    }
    self.variant = variant
    groupSize = try reader.rank("group_size") ?? 64
    guard groupSize % 2 == 0 else {
      throw reader.failure("group_size", expected: "an even integer", reader.json["group_size"] ?? .null)
    }
  }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let shape = try module.required(Self.angles).shape
    _ = try module.required(Self.scales)
    guard shape.count == 1, let rows = variant.rows(shape[0]), rows % groupSize == 0 else {
      throw module.failure(
        .shape(expected: "one dimension, for whole groups of \(groupSize) outputs", found: shape),
        at: module[Self.angles])
    }
    try module.check(Self.scales, is: shape)
    let mixing = PairMixing(
      first: try half(module, rows: rows, isSecond: false), second: try half(module, rows: rows, isSecond: true),
      groupSize: groupSize, along: .rows)
    let witness = try module.witness(Self.angles)
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: rows, inFeatures: nil, outWitness: witness,
      inWitness: witness, steps: [.mix(mixing)], tensorIndices: module.indices(of: Self.roles))
    update.bias = ModuleUpdate.Bias(
      [.mix(mixing.along(.columns))], count: rows, witness: witness, isRequired: false)
    return update
  }

  /// The numbers of the first halves of all groups, or of the second.
  private func half(
    _ module: ModuleTensors, rows: Int, isSecond: Bool
  ) throws(AdapterError) -> PairMixing<Factor>.Half {
    let pairs = groupSize / 2
    let place = isSecond ? pairs : 0
    switch variant {
    case .pairs:
      let own = try polar(module, rows: rows, offset: 0, distance: pairs)
      return PairMixing.Half(cosine: own, sine: own)
    case .rows:
      let own = try polar(module, rows: rows, offset: place, distance: groupSize)
      return PairMixing.Half(cosine: own, sine: own)
    case .products:
      return PairMixing.Half(
        cosine: try polar(module, rows: rows, offset: place, distance: 2 * groupSize),
        sine: try polar(module, rows: rows, offset: place + groupSize, distance: 2 * groupSize))
    }
  }

  /// The numbers from `offset` on, `distance` from one group to the next.
  private func polar(
    _ module: ModuleTensors, rows: Int, offset: Int, distance: Int
  ) throws(AdapterError) -> PairMixing<Factor>.Polar {
    func factor(_ role: FactorRole) throws(AdapterError) -> Factor {
      Factor(
        try module.place(of: role), rows: rows / groupSize, columns: groupSize / 2, offset: offset, rowStride: distance,
        columnStride: 1)
    }
    return PairMixing.Polar(scales: try factor(Self.scales), angles: try factor(Self.angles))
  }
}
