import Safetensors

/// Makes updates of the modules of an adapter that is one file, from names, shapes and the few numbers that decide.
struct FileAssembly {
  private let header: SafetensorsHeader
  private let path: String
  private let scalars: FileScalars
  private var configs: StatedConfigs?
  private let training: TrainingFacts
  private var counts: [String: Int] = [:]
  private(set) var updates: [ModuleUpdate] = []
  private(set) var replacements: [AdapterReplacement] = []
  private(set) var ignored: [IgnoredTensor]
  private(set) var warnings: [String] = []
  private let dialect: String?
  /// Modules of components of which the metadata has no config.
  private var unstated: [String] = []

  private var table: TensorTable { header.tensors }

  /// Patterns of the metadata that decided no module.
  var unusedPatterns: [UnusedPattern] { configs?.unusedPatterns ?? [] }

  /// What the file does to how many modules, the most frequent first.
  var methods: [FileDescription.Method] {
    counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { FileDescription.Method(name: $0.key, count: $0.value) }
  }

  init(
    _ keys: FileKeys, _ header: SafetensorsHeader, _ training: TrainingFacts, path: String
  ) throws(AdapterError) {
    self.header = header
    self.path = path
    dialect = keys.dialect
    configs = try StatedConfigs(header, path: path)
    scalars = try FileScalars(
      keys.modules.flatMap { module in [FactorRole.alpha, .onInput].compactMap { module[$0] } },
      lists: keys.modules.compactMap { $0[.newShape] }, header, path: path)
    self.training = training
    ignored = keys.ignored
    if configs != nil, let index = keys.modules.compactMap({ $0[.alpha] }).first {
      throw AdapterError(path: path, .alphaAndMetadata, tensor: header.tensors.name(at: index))
    }
    for module in keys.modules { try add(module) }
    for (target, tensor) in keys.whole { replace(target, with: tensor) }
    replacements.sort { TensorName($0.target) < TensorName($1.target) }
    if let first = unstated.first {
      warnings.append(
        "\(path): \(StatedConfigs.key) says nothing of \(unstated.count) modules, such as \(first); their scaling is 1")
    }
  }

  private mutating func replace(_ target: String, with tensor: Int) {
    counts["replaced tensor", default: 0] += 1
    replacements.append(AdapterReplacement(kind: .savedModule, target: target, tensor: tensor))
  }

  private mutating func add(_ module: FileModule) throws(AdapterError) {
    let tensors = module.tensors(table, path: path)
    let methods = FileMethod.allCases.filter { !module.roles(of: $0.roles).isEmpty }
    if methods.count > 1 {
      let own = module.roles(of: methods[0].roles)[0]
      try tensors.exclude(methods[1].roles, beside: own)
    }
    if let index = module[.newShape], methods.first != .lora {
      throw tensors.failure(.paddedWeight(methods.first?.name), at: index)
    }
    if module[.modulationDifference] != nil {
      counts["modulation", default: 0] += 1
      updates.append(
        try FileDifference.update(tensors, .modulationDifference, target: .parameter("modulation")))
    }
    let bias = try bias(of: module, tensors)
    guard let method = methods.first else {
      try addAlone(bias, module, tensors)
      return
    }
    if method == .wholeWeight {
      if let index = module[.wholeWeight] { replace("\(module.name.string).weight", with: index) }
      try addAlone(bias, module, tensors)
      return
    }
    var update = try update(method, module, tensors)
    if let magnitudes = try FileMagnitudes.place(in: tensors) {
      guard method.hasMagnitudes else {
        let own = module.roles(of: method.roles).first ?? method.roles[0]
        throw tensors.failure(.excluded(other: tensors.key(of: own)), at: magnitudes)
      }
      if let step = try FileMagnitudes.step(update, tensors) { update.steps = [step] }
      update.mixesResult = true
      update.tensorIndices.append(magnitudes)
      counts["DoRA", default: 0] += 1
    }
    counts[method.name, default: 0] += 1
    if let bias { try attach(bias, to: &update, module) }
    try pad(&update, module, tensors)
    updates.append(update)
  }

  /// What the tensors of a method do to the weight, with rank, alpha and scaling.
  private mutating func update(
    _ method: FileMethod, _ module: FileModule, _ tensors: ModuleTensors
  ) throws(AdapterError) -> ModuleUpdate {
    var update: ModuleUpdate
    let rank: Int?
    switch method {
    case .lora:
      let made = try FileFactors.update(tensors)
      (update, rank) = (made.0, made.rank)
    case .loha:
      update = try LoHa.update(tensors, nil)
      rank = table.shape(at: try tensors.place(of: LoHa.w1B))[0]
    case .lokr:
      update = try LoKr.update(tensors, nil)
      rank = (module[LoKr.w2B] ?? module[LoKr.w1B]).map { table.shape(at: $0)[0] }
    case .difference: (update, rank) = (try FileDifference.update(tensors, .difference), nil)
    case .norm: (update, rank) = (try FileDifference.update(tensors, .normDifference), nil)
    case .ia3:
      let place = try tensors.place(of: .onInput)
      (update, rank) = (try FileIA3.update(tensors, onInput: scalars[place] ?? 0), nil)
    case .glora:
      let made = try FileGLoRA.update(tensors)
      (update, rank) = (made.0, made.rank)
    case .orthogonal:
      let isKohya = module.name.string.utf8.starts(with: "oft_unet_".utf8)
      update = try FileOrthogonal.update(
        tensors, alpha: module[.alpha].flatMap { scalars[$0] }, isKohya: isKohya)
      rank = nil
    // It has no update.
    case .wholeWeight: throw tensors.failure(.unknownKey, at: module[.wholeWeight])
    }
    if let alpha = module[.alpha] {
      if method.hasAlpha {
        update.tensorIndices.append(alpha)
      } else {
        ignored.append(IgnoredTensor(tensor: alpha, reason: "alpha does not scale a \(method.name)"))
      }
    }
    if method.hasAlpha, method != .orthogonal { try scale(&update, rank: rank, module, tensors) }
    return update
  }

  /// Sets rank, alpha and scaling of an update whose factors have this rank; nil: none of its matrices is a product.
  private mutating func scale(
    _ update: inout ModuleUpdate, rank: Int?, _ module: FileModule, _ tensors: ModuleTensors
  ) throws(AdapterError) {
    update.rank = rank
    update.scaling = 1
    // Two whole matrices have no rank: files hold whatever alpha then.
    guard let rank else { return }
    if configs != nil {
      guard let stated = try configs?.strength(of: module.name.string) else {
        unstated.append(module.name.string)
        return
      }
      if let factor = module[.loraA] {
        let shape = table.shape(at: factor)
        guard shape[0] == stated.strength.rank else {
          throw tensors.failure(
            .rank(
              expected: stated.strength.rank, found: shape[0], shape: shape, field: stated.rankField,
              pattern: stated.strength.rankPattern),
            at: factor)
        }
      }
      if stated.lora.usesDora, module[.magnitude] == nil, module[.doraScale] == nil {
        throw tensors.failure(.missingFactor(missing: module.name(of: .magnitude)), at: nil)
      }
      (update.alpha, update.scaling) = (stated.strength.alpha, stated.scaling)
      (update.rankPattern, update.alphaPattern) = (stated.strength.rankPattern, stated.strength.alphaPattern)
      return
    }
    guard let place = module[.alpha], let alpha = scalars[place] else { return }
    guard alpha.isFinite, alpha != 0 else { throw tensors.failure(.alpha(alpha), at: place) }
    // LyCORIS saves the alpha of all others with the root of the rank in it.
    if training.isRankStabilized, let name = module[.gloraA1] != nil ? GLoRA.name : training.isDyLoRA ? "DyLoRA" : nil {
      throw tensors.failure(.rankStabilized(name), at: place)
    }
    (update.alpha, update.scaling) = (alpha, alpha / Double(rank))
  }

  /// Says the shape that the weight is padded to, where the file does.
  private mutating func pad(
    _ update: inout ModuleUpdate, _ module: FileModule, _ tensors: ModuleTensors
  ) throws(AdapterError) {
    if let index = module[.newShape] {
      let shape = scalars.whole(at: index) ?? []
      guard shape.count >= 2, shape[0] == update.outFeatures, shape.dropFirst().reduce(1, *) == update.inFeatures else {
        let factors = AdapterError.text([update.outFeatures ?? 0, update.inFeatures ?? 0])
        throw tensors.failure(.newShape(shape, factors: factors), at: index)
      }
      (update.paddedShape, update.tensorIndices) = (shape, update.tensorIndices + [index])
    } else if dialect == BFLControl.name, BFLControl.pads(module.name), let rows = update.outFeatures {
      update.paddedShape = [rows, update.inFeatures ?? 0]
    } else {
      return
    }
    counts["padded weight", default: 0] += 1
  }

  // MARK: Biases

  /// What is added to the module's bias; nil: nothing is.
  private func bias(
    of module: FileModule, _ tensors: ModuleTensors
  ) throws(AdapterError) -> (role: FactorRole, ModuleUpdate.Bias)? {
    let roles = module.roles(of: [.biasDifference, .normBiasDifference, .loraBias])
    guard let role = roles.first else { return nil }
    if roles.count > 1, let index = module[roles[1]] {
      throw tensors.failure(.biasTwice(other: tensors.key(of: role)), at: index)
    }
    return (role, try FileDifference.bias(tensors, role))
  }

  private mutating func attach(
    _ found: (role: FactorRole, bias: ModuleUpdate.Bias), to update: inout ModuleUpdate, _ module: FileModule
  ) throws(AdapterError) {
    var bias = found.bias
    // PEFT scales the bias of lora_B as the factors; files without its config hold differences.
    bias.isScaled = found.role == .loraBias && configs != nil
    update.bias = bias
    if let index = module[found.role] { update.tensorIndices.append(index) }
  }

  /// The update of a bias whose weight nothing else changes.
  private mutating func addAlone(
    _ bias: (role: FactorRole, ModuleUpdate.Bias)?, _ module: FileModule, _ tensors: ModuleTensors
  ) throws(AdapterError) {
    if bias?.role == .loraBias {
      throw tensors.failure(.missingFactor(missing: module.name(of: .loraA)), at: module[.loraBias])
    }
    if let bias {
      counts["bias", default: 0] += 1
      updates.append(try FileDifference.update(tensors, bias.role, target: .parameter("bias")))
    }
    // What is left has nothing that it belongs to.
    let rest = module.roles(of: [.alpha, .doraScale, .magnitude])
    guard let role = rest.first else { return }
    let usesWeight = bias != nil || module[.modulationDifference] != nil || module[.wholeWeight] != nil
    if role == .alpha, usesWeight, let index = module[.alpha], rest.count == 1 {
      ignored.append(IgnoredTensor(tensor: index, reason: "alpha does not scale a difference"))
      return
    }
    throw tensors.failure(.missingFactor(missing: module.name(of: .loraA)), at: module[role])
  }
}
