import Adapters
import Checkpoints
import ModelNames
import Safetensors

extension MergePlanner {
  /// What decides how the weight of a linear layer is stored; nil: its shape does.
  ///
  /// - Parameter shape: The weight's.
  mutating func orientation(_ update: ModuleUpdate, shape: [Int], _ number: Int) -> OrientationDecision? {
    guard update.mayLieTransposed, shape.count == 2, (update.inFeatures ?? shape[0]) == shape[0],
      (update.outFeatures ?? shape[1]) == shape[1]
    else { return nil }
    if let known = orientations[number] { return known }
    let adapter = adapters[number].adapter
    let linear = adapter.updates.filter(\.mayLieTransposed)
    let families = OrientationFamilies(base.config)
    let embedding = vocabulary.embedding.flatMap { baseTensors.entry($0)?.info.shape }
    let width = embedding.flatMap { $0.count == 2 ? $0[1] : nil }
    let ofBase = OrientationEvidence(baseTensors, config: base.config, width: width)
    var evidence = ofBase
    for update in linear {
      guard let rows = update.outFeatures, let columns = update.inFeatures, rows != columns,
        case .success(let found)? = resolve(update.module + ".weight", rows: rows)
      else { continue }
      if found.shape == [rows, columns] { evidence.add(.plain, of: update.module) }
      if found.shape == [columns, rows] { evidence.add(.transposed, of: update.module) }
    }
    let decision = OrientationDecision(
      families: families, evidence: evidence, evidenceOfBase: ofBase, flag: adapter.config.fanInFanOut,
      adaptedLeaves: Set(linear.map { ModulePlace($0.module).leaf }),
      answer: options.fanInFanOut.map { $0 ? .transposed : .plain })
    orientations[number] = decision
    return decision
  }
}

extension ModuleUpdate {
  /// Whether it is of a weight that the base may store with rows and columns exchanged.
  fileprivate var mayLieTransposed: Bool { layout == .linear || layout == .matrix }
}
