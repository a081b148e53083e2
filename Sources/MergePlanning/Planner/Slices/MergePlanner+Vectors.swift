import Adapters
import ModelNames
import Safetensors

extension MergePlanner {
  /// Adds steps of a vector, such as a bias, to the vectors of the base that hold its elements.
  ///
  /// - Parameters:
  ///   - steps: Of one row of as many columns as the module's vector has elements.
  ///   - placement: The elements' places, as rows.
  ///   - key: The adapter's tensor that errors name.
  /// - Returns: The tensors that are changed.
  mutating func addVector(
    _ steps: [TensorUpdate.Step], of update: ModuleUpdate, to placement: TensorPlacement, key: Int, _ number: Int
  ) throws(PlanError) -> [TensorName] {
    var targets: [TensorName] = []
    for part in placement.parts {
      try FreePlaces(inputs: inputs, works: works, number: number).check(part.rows, of: part.tensor, key: key)
      let own = try steps.map { (step) throws(PlanError) in
        if placement.whole != nil { return step }
        guard let cut = step.elements(of: part) else {
          throw error(.slicedChange(target: placement.name.string, what: "a computed vector"), number, key: key)
        }
        return cut
      }
      works[part.tensor, default: PendingUpdate()].add(own)
      works[part.tensor]?.users.append(
        PendingUpdate.User(
          module: update.module, adapter: number, rows: 0..<1, columns: placement.whole == nil ? part.rows : nil))
      if targets.last != part.tensor { targets.append(part.tensor) }
    }
    return targets
  }
}

extension UpdateStep where Operand == FactorView {
  /// What of a step of a module's vector falls into a part of it, where that lies in the base's vector; nil: it cannot be cut.
  fileprivate func elements(of part: TensorPlacement.Part) -> UpdateStep? {
    guard case .add(let addition) = self, addition.isPlain, !part.isTransposed, part.interleaveCount == 1 else {
      return nil
    }
    var terms: [Term<FactorView>] = []
    for term in addition.terms {
      guard case .matrix(let values) = term.formula else { return nil }
      let elements = part.runtimeRows.clamped(to: term.columns)
      if elements.isEmpty { continue }
      let first = elements.lowerBound - term.columns.lowerBound
      let place = part.row + elements.lowerBound - part.runtimeRows.lowerBound
      terms.append(
        Term(
          rows: term.rows, columns: place..<place + elements.count,
          .matrix(values.columns(first..<first + elements.count)), scaling: term.scaling))
    }
    return .add(addition.with(terms))
  }
}
