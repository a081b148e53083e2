import JSONText
import Safetensors

/// AdaLoRA: `W + s B (A * E)`, a singular value decomposition whose values are trained and pruned.
///
/// `s = alpha / (init_r + 1e-5)`, with the rank that training began with; where alpha is not above 0 it is init_r.
///
/// Sources: Zhang et al., arXiv:2303.10512; PEFT 0.21.2 `AdaLoraLayer.update_layer`, `SVDLinear.get_delta_weight`,
/// `SVDConv2d.get_delta_weight`, `AdaLoraModel.resize_state_dict_by_rank_pattern`.
struct AdaLoRA: Tuner {
  static let peftType = "ADALORA"
  static let name = "AdaLoRA"

  static let fields: [ConfigField] =
    LoRA.fields.filter { field in !own.contains { $0.name == field.name } } + own

  private static let own: [ConfigField] = [
    .used("init_r"), .used("lora_alpha"), .used("rank_pattern"),
    .ignored("r", because: "AdaLoRA begins with init_r"),
    .ignored("alpha_pattern", because: "AdaLoRA has one alpha for all modules"),
    .ignored("use_rslora", because: "AdaLoRA has a scaling of its own"),
    .ignored("lora_bias", because: "AdaLoRA trains no bias of lora_B"),
    .ignored("init_lora_weights", because: "concerns the start of training"),
    .ignored("target_r", because: ConfigField.trainingOnly), .ignored("tinit", because: ConfigField.trainingOnly),
    .ignored("tfinal", because: ConfigField.trainingOnly), .ignored("deltaT", because: ConfigField.trainingOnly),
    .ignored("beta1", because: ConfigField.trainingOnly), .ignored("beta2", because: ConfigField.trainingOnly),
    .ignored("orth_reg_weight", because: ConfigField.trainingOnly),
    .ignored("total_step", because: ConfigField.trainingOnly),
    .refused("use_dora", "PEFT has no AdaLoRA with DoRA"),
    .refused("use_bdlora", "PEFT's AdaLoRA has no blocks"),
    .refused("kasa_config", "PEFT's AdaLoRA has no KaSA"),
    .refused("velora_config", "PEFT's AdaLoRA has no VeLoRA"),
    .refused("monteclora_config", "PEFT's AdaLoRA has no MonteCLoRA"),
    .refused("lora_B_layout", "AdaLoRA has no stacked experts"),
    .refused("target_parameters", "PEFT's AdaLoRA adapts modules, not parameters"),
  ]

  /// (r, in); of a convolution (r, in * kernel).
  private static let a = FactorRole("lora_A")
  /// (out, r).
  private static let b = FactorRole("lora_B")
  /// The singular values, (r, 1).
  private static let values = FactorRole("lora_E")
  private static let roles = [a, b, values]

  static let endings = roles.map { KeyEnding($0) }

  /// `init_r`. PEFT's default is 12.
  private let initialRank: Int
  /// `lora_alpha`. PEFT's default is 8.
  private let alpha: Double
  /// `rank_pattern`: which of the initial ranks a module has kept, as their number, by the module's path.
  private let ranks: [TensorName: Int]

  init(_ reader: ConfigReader) throws(AdapterError) {
    initialRank = try reader.rank("init_r") ?? 12
    let alpha = try reader.number("lora_alpha") ?? 8
    self.alpha = alpha > 0 ? alpha : Double(initialRank)
    ranks = try reader.keptRanks("rank_pattern")
  }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    var result = ModuleUpdates()
    for module in try ModuleTensors.all(tensors) {
      let rank = ranks[module.name] ?? initialRank
      if rank == 0 {
        try ignore(module, tensors, &result)
      } else {
        result.updates.append(try update(module, rank: rank))
      }
    }
    result.isPrunedWhole = result.updates.isEmpty && !result.ignored.isEmpty
    let found = Set(result.updates.map { TensorName($0.module) })
    if let lost = ranks.filter({ $0.value > 0 && !found.contains($0.key) }).keys.min() {
      throw tensors.failure(
        .missingFactor(missing: "\(AdapterKey.prefix)\(lost.string).\(Self.values.ending)"), at: nil)
    }
    return result
  }

  /// A module that training has pruned whole has empty tensors and no update.
  private func ignore(
    _ module: ModuleTensors, _ tensors: AdapterTensors, _ result: inout ModuleUpdates
  ) throws(AdapterError) {
    for role in Self.roles {
      let index = try module.place(of: role)
      let shape = tensors.table.shape(at: index)
      guard shape.contains(0) else {
        throw module.failure(
          .rank(
            expected: 0, found: shape.first ?? 0, shape: shape, field: "init_r",
            pattern: "\(module.name.string).\(Self.values.ending)"), at: index)
      }
      result.ignored.append(
        IgnoredTensor(tensor: index, reason: "rank_pattern says that training pruned the module to rank 0"))
    }
  }

  private func update(_ module: ModuleTensors, rank: Int) throws(AdapterError) -> ModuleUpdate {
    let (a, b) = (try module.required(Self.a).shape, try module.required(Self.b).shape)
    _ = try module.required(Self.values)
    try module.checkMatrices([Self.a, Self.b])
    let pattern = ranks[module.name] == nil ? nil : "\(module.name.string).\(Self.values.ending)"
    let strength = ModuleStrength(rank: rank, alpha: alpha, rankPattern: pattern, alphaPattern: nil)
    try module.checkRank(Self.a, axis: 0, strength, field: "init_r")
    try module.checkRank(Self.b, axis: 1, strength, field: "init_r")
    try module.check(Self.values, is: [rank, 1])
    let (rows, columns) = (b[0], a[1])
    let right = Formula.hadamard(
      .matrix(.rowMajor(try module.place(of: Self.a), rows: rank, columns: columns)),
      .matrix(Factor(try module.place(of: Self.values), rows: rank, columns: columns, rowStride: 1, columnStride: 0)))
    let formula = Formula.composed(
      left: .matrix(.rowMajor(try module.place(of: Self.b), rows: rows, columns: rank)), right: right)
    var update = ModuleUpdate(
      module: module.name.string, layout: .matrix, outFeatures: rows, inFeatures: columns,
      outWitness: try module.witness(Self.b), inWitness: try module.witness(Self.a),
      steps: [.add(Addition([Term(rows: 0..<rows, columns: 0..<columns, formula, scaling: 1)]))],
      tensorIndices: module.indices(of: Self.roles))
    update.divisor = Double(initialRank) + 1e-5
    update.scaling = alpha / (Double(initialRank) + 1e-5)
    (update.rank, update.alpha, update.rankPattern) = (rank, alpha, pattern)
    return update
  }
}

extension ConfigReader {
  /// `rank_pattern` of AdaLoRA: for each `PATH.lora_E` a list that says which of the initial ranks are kept.
  fileprivate func keptRanks(_ field: String) throws(AdapterError) -> [TensorName: Int] {
    switch json[field] {
    case nil, .null: return [:]
    case .object(let members):
      var ranks: [TensorName: Int] = [:]
      for member in members {
        let name = "\(field)\"[\"\(member.key)\"]"
        let kept = try list(name, member.value, expected: "a list of true and false") { value in
          if case .bool(let isKept) = value { isKept } else { nil }
        }
        var segments = AdapterKey.segments(member.key)
        // PEFT takes the adapter's name out when it saves.
        if segments.count > 2, segments[segments.count - 2] == "lora_E" { segments.removeLast() }
        guard segments.count > 1, segments.popLast() == "lora_E" else {
          throw failure(field, expected: "keys that end with \".lora_E\"", .string(member.key))
        }
        ranks[TensorName(segments.joined(separator: "."))] = kept.count { $0 }
      }
      return ranks
    case .some(let other): throw failure(field, expected: "an object", other)
    }
  }
}
