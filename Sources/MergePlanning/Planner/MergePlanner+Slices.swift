import Adapters
import ModelNames
import Safetensors

extension MergePlanner {
  /// Adds a layer to parts of the base's tensors.
  ///
  /// - Parameter place: Where the layer lies in the live tensor.
  mutating func addSlices(
    _ layer: AdapterLayer, _ place: BuiltUpdate, _ resolved: TensorPlacement, _ scaling: Double, _ number: Int
  ) throws(PlanError) {
    func refuse(_ what: String) -> PlanError {
      error(.slicedChange(target: resolved.name.string, what: what), number, key: layer.a)
    }
    if let change = layer.decomposition { throw refuse("the initialisation \(change.rawValue)") }
    if layer.target == .attentionOutput { throw refuse("the output of a MultiheadAttention") }
    if case .embedding = layer.kind { throw refuse("an embedding") }
    if case .convolution = layer.kind { throw refuse("a convolution") }
    if layer.bias != nil { throw refuse("lora_bias") }
    // The parts are all of it: a row without a place would be a part of the adapter that is lost.
    guard resolved.parts.reduce(0, { $0 + $1.count }) == place.rows else { throw refuse("the layer's shape") }
    let input = input(ofAdapter: number)
    let table = adapters[number].adapter.header
    var targets: [TensorName] = []
    for part in resolved.parts {
      // Codes are decoded by the rows that they have on disk.
      if part.interleaveCount > 1, quantized.groups[part.tensor] != nil { throw refuse("a quantised weight by turns") }
      var magnitude: Magnitude?
      if let index = layer.magnitude {
        // The rescaling is of a tensor's every row, and along it.
        let rows = shape(of: part.tensor).map { TensorUpdate.matrix(of: $0).rows }
        guard place.normAxis == .rows, !part.isTransposed, part.rows == 0..<(rows ?? 0), part.runtimeStride == 1 else {
          throw refuse("DoRA, which rescales whole tensors,")
        }
        let values = FactorView.rowMajor(
          MergePlan.Source(table, index, input: input), rows: 1, columns: place.rows)
        magnitude = Magnitude(axis: .rows, values: values.columns(part.runtimeRows))
      }
      let terms = place.terms.compactMap { $0.part(part, columns: place.columns) }
      guard !terms.isEmpty else { continue }
      works[part.tensor, default: PendingUpdate()].interleaveCount = part.interleaveCount
      works[part.tensor]?.isSliced = true
      if part.isTransposed { works[part.tensor]?.isStoredTransposed = true }
      switch options.arithmetic {
      case .exact: works[part.tensor, default: PendingUpdate()].add(terms, magnitude: magnitude)
      case .peft:
        works[part.tensor, default: PendingUpdate()].steps += PEFTRounding.steps(
          terms, rank: layer.rank, magnitude, dtype: dtype(of: part.tensor) ?? .f32,
          roundsDelta: PEFTRounding.roundsDelta(layer, part.tensor, adapters[number].adapter.config))
      }
      let rows =
        part.isTransposed
        ? terms.map(\.rows).reduce(part.row..<part.row) { $0.lowerBound..<max($0.upperBound, $1.upperBound) }
        : part.rows
      works[part.tensor]?.users.append(
        PendingUpdate.User(
          module: layer.module, adapter: number, rows: rows,
          columns: part.isTransposed ? part.takenColumns : nil))
      if targets.last != part.tensor { targets.append(part.tensor) }
    }
    modules.append(
      MergePlan.Module(
        name: layer.module, adapter: number, rank: layer.rank, alpha: layer.alpha, scaling: scaling, targets: targets,
        rule: resolved.rule))
  }
}

extension Term where Operand == FactorView {
  /// What of a term of the runtime tensor falls into a part, where that lies in the base's tensor; nil: nothing.
  ///
  /// - Parameter width: Columns of the runtime tensor.
  func part(_ part: TensorPlacement.Part, columns width: Int) -> Term? {
    let common = rows.clamped(to: part.runtimeRows)
    guard !common.isEmpty else { return nil }
    let step = part.runtimeStride
    let first = (common.lowerBound - part.runtimeRows.lowerBound + step - 1) / step
    let end = (common.upperBound - part.runtimeRows.lowerBound + step - 1) / step
    guard first < end else { return nil }
    let start = part.runtimeRows.lowerBound + first * step - rows.lowerBound
    // Rows by turns lie beside each other in a matrix of as many times the columns.
    let offset = part.turn * width
    let term = Term(
      rows: first..<end, columns: columns.lowerBound + offset..<columns.upperBound + offset,
      formula.rows(from: start, count: end - first, step: step), scaling: scaling)
    return
      (part.isTransposed
      ? term.transposed.spread(part.columnTurn).shifted(columns: part.column) : term)
      .shifted(rows: part.row / part.interleaveCount)
  }
}
