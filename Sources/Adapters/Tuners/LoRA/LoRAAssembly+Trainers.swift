import Safetensors

/// Factors that other trainers lay out differently from PEFT.
extension LoRAAssembly {
  /// Takes out updates whose factors are both empty: trainers write them where a model has no such projection.
  mutating func dropEmptyPairs() {
    var count = 0
    for (module, wrappers) in parts {
      guard wrappers.count == 1, let found = wrappers[0], found.byRole.count == 2 else { continue }
      guard let a = found[.loraA], let b = found[.loraB] else { continue }
      guard table.shape(at: a) == [0], table.shape(at: b) == [0] else { continue }
      parts[module] = nil
      count += 1
      result.ignored += [a, b].map { IgnoredTensor(tensor: $0, reason: "a pair of empty factors, which add nothing") }
    }
    if count > 0 {
      result.warnings.append("\(tensors.path): \(count) modules have only empty factors, which add nothing")
    }
  }

  /// Gives the experts the factor that stands once beside them: `experts.w1.lora_A` of one matrix, where only
  /// `experts.0.w1.lora_B`, `experts.1.w1.lora_B` and so on are there.
  mutating func handOutSharedFactors() throws(AdapterError) {
    for (module, wrappers) in parts.sorted(by: { $0.key < $1.key }) {
      guard wrappers.count == 1, let found = wrappers[0], found.byRole.count == 1,
        let (role, index) = found.byRole.first,
        role == .loraA || role == .loraB, table.shape(at: index).first == 1, table.shape(at: index).count == 3
      else { continue }
      let experts = parts.keys.filter { ExpertKeys.stackPath(ofExpert: $0) == module }.sorted()
      if experts.isEmpty { continue }
      for expert in experts {
        guard let other = parts[expert]?[0]?[role] else {
          parts[expert]?[0]?.byRole[role] = index
          continue
        }
        throw failure(.sameMeaning(other: table.name(at: other).string), at: index)
      }
      parts[module] = nil
      result.shared.insert(index)
    }
  }

  /// What a module's factors add to, if they are of a stack of experts that the key names; nil: they are of a layer.
  mutating func stack(
    _ module: TensorName, _ parts: Parts
  ) throws(AdapterError) -> (module: TensorName, projection: String)? {
    guard let stack = ExpertKeys.stack(of: module), let a = parts[.loraA] else { return nil }
    let shape = table.shape(at: a)
    if shape.count == 3 { return stack }
    if let b = parts[.loraB], transposedFactors.contains(b), table.shape(at: b).count == 3 { return stack }
    guard shape.count == 2, let rows = shape.first else { return nil }
    let expected = try statedRank(of: module.string)
    // Names that only stacks of three dimensions have.
    if rows == expected, ExpertKeys.isTinkers(stack.projection) {
      throw failure(.shape(expected: "(experts, \(expected), in)", found: shape), at: a)
    }
    return rows > expected && rows % expected == 0 ? stack : nil
  }

  /// Whether both factors are stored transposed.
  func areTransposed(_ update: Update, _ a: Int, _ b: Int) throws(AdapterError) -> Bool {
    let transposed = [a, b].filter { transposedFactors.contains($0) }
    if transposed.count == 1 {
      let other = transposed[0] == a ? b : a
      throw failure(.mixedOrientation(other: table.name(at: other).string), at: transposed[0])
    }
    return !transposed.isEmpty
  }

  /// The right factors of a stack of MLX as (experts, rank, in): older releases saved (experts * rank, in).
  func stackedA(_ index: Int, experts: Int) throws(AdapterError) -> TensorInfo {
    let info = table[index]
    if info.shape.count == 3 { return info }
    guard info.shape.count == 2, experts > 0, info.shape[0] % experts == 0 else {
      throw failure(.shape(expected: "(\(experts), r, in)", found: info.shape), at: index)
    }
    return TensorInfo(
      name: info.name, dtype: info.dtype, shape: [experts, info.shape[0] / experts, info.shape[1]],
      dataOffsets: info.dataOffsets)
  }

  /// A factor as PEFT would have it: with its dimensions exchanged, or without the one of what all experts share.
  func factor(_ index: Int, _ isTransposed: Bool) -> TensorInfo {
    let info = table[index]
    var shape = info.shape
    if result.shared.contains(index) { shape.removeFirst() }
    if isTransposed { shape.reverse() }
    return TensorInfo(name: info.name, dtype: info.dtype, shape: shape, dataOffsets: info.dataOffsets)
  }
}
