import Adapters
import ModelNames
import Safetensors

extension MergePlanner {
  /// Adds an update to parts of the base's tensors.
  ///
  /// - Parameters:
  ///   - place: Where the update lies in the tensor of the model at run time.
  ///   - placement: What placed it there.
  mutating func addSlices(
    _ update: ModuleUpdate, _ place: PlacedUpdate, _ placement: UpdatePlacement, _ resolved: TensorPlacement,
    _ number: Int
  ) throws(PlanError) {
    func refuse(_ what: String) -> PlanError {
      error(.slicedChange(target: resolved.name.string, what: what), number, key: update.inWitness.tensor)
    }
    if let decomposition = update.decomposition {
      throw refuse("the initialization \(decomposition.change.rawValue)")
    }
    if update.target == .attentionOutput { throw refuse("the output of a MultiheadAttention") }
    if let whole = update.layout.undivided { throw refuse(whole) }
    // The parts are all of it: a row without a place would be a part of the adapter that is lost.
    guard resolved.parts.reduce(0, { $0 + $1.count }) == place.rows else { throw refuse("the layer's shape") }
    var targets: [TensorName] = []
    let matrix = JoinedParts(inputs: inputs, works: works).matrix(update, resolved, columns: place.columns)
    for part in resolved.parts {
      // Codes are decoded by the rows that they have on disk.
      if part.interleaveCount > 1, quantized.groups[part.tensor] != nil {
        throw refuse("an interleaved quantized weight")
      }
      let steps = try UpdateSlices(
        update: update, place: place, number: number, planner: self, name: resolved.name, matrix: matrix
      ).steps(of: part)
      guard !steps.isEmpty else { continue }
      works[part.tensor, default: PendingUpdate()].interleaveCount = part.interleaveCount
      works[part.tensor]?.isSliced = true
      if part.isTransposed { works[part.tensor]?.isStoredTransposed = true }
      if update.layout == .flattened, resolved.shape.count > 2 { works[part.tensor]?.isConvolution = true }
      switch options.arithmetic {
      case .exact: works[part.tensor, default: PendingUpdate()].add(steps)
      case .peft:
        works[part.tensor, default: PendingUpdate()].steps += PEFTRounding.steps(
          steps, of: update, dtype: dtype(of: part.tensor) ?? .f32,
          roundsDelta: PEFTRounding.roundsDelta(update, part.tensor))
      }
      let rows =
        part.isTransposed
        ? steps.flatMap(\.terms).map(\.rows)
          .reduce(part.row..<part.row) { $0.lowerBound..<max($0.upperBound, $1.upperBound) }
        : part.rows
      works[part.tensor]?.users.append(
        PendingUpdate.User(
          module: update.module, adapter: number, rows: rows,
          columns: part.isTransposed ? part.takenColumns : nil))
      if targets.last != part.tensor { targets.append(part.tensor) }
    }
    if let bias = update.bias { targets += try add(bias, of: update, weight: nil, placement, number) }
    modules.append(
      MergePlan.Module(update, weight: inputs.weight(of: update, number), number, targets: targets, rule: resolved.rule)
    )
  }
}

extension ModuleUpdate.Layout {
  /// What a message calls a weight that is not updated in parts; nil: it can be.
  fileprivate var undivided: String? {
    switch self {
    case .embedding: "an embedding"
    case .convolution, .channels: "a convolution"
    case .linear, .experts, .flattened, .matrix, .vector: nil
    }
  }
}
