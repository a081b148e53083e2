import Adapters
import MergePlanning
import Safetensors

/// Which adapters change a tensor, told from their factors: a product with a factor of nothing but zeros is zero.
struct UntrainedModules: Sendable {
  /// The inputs that have a term in the tensor's update.
  let inputs: Set<Int>
  /// Those of them that have a term without a zero factor.
  let active: Set<Int>

  init(inputs: Set<Int>, active: Set<Int>) {
    self.inputs = inputs
    self.active = active
  }

  /// Looks at the factors of one update, at no more of them than it takes to find an element that is not zero.
  init(_ update: TensorUpdate, _ preparation: UpdatePreparation) throws {
    var inputs: Set<Int> = []
    var active: Set<Int> = []
    for term in update.terms {
      guard let input = term.operands.first?.source.input else { continue }
      inputs.insert(input)
      if active.contains(input) { continue }
      if try !term.formula.isZero({ try preparation.isZero($0) }) { active.insert(input) }
    }
    self.inputs = inputs
    self.active = active
  }

  /// The places of the modules that change none of their tensors, of those that have any.
  ///
  /// A term says from which file it comes but not of which module it is: where two modules of an adapter share a tensor,
  /// both count as trained if one is.
  static func untrained(_ plan: MergePlan, _ activities: [TensorName: UntrainedModules]) -> [Int] {
    let adapters = plan.inputs.indices.filter { plan.inputs[$0].isAdapter }
    return plan.modules.indices.filter { number in
      let module = plan.modules[number]
      guard adapters.indices.contains(module.adapter) else { return false }
      let input = adapters[module.adapter]
      let own = module.targets.compactMap { activities[$0] }.filter { $0.inputs.contains(input) }
      return !own.isEmpty && own.allSatisfy { !$0.active.contains(input) }
    }
  }
}

extension UpdatePreparation {
  /// Elements that are widened at once in search of one that is not zero.
  private static let searchedElementCount = 4096

  /// Whether a matrix has nothing but zeros.
  func isZero(_ view: FactorView) throws -> Bool {
    let rowsAtOnce = max(1, min(view.rows, Self.searchedElementCount / max(1, view.columns)))
    var row = 0
    while row < view.rows {
      let rows = row..<min(row + rowsAtOnce, view.rows)
      if try widened(view, rows: rows).contains(where: { $0 != 0 }) { return false }
      row = rows.upperBound
    }
    return true
  }
}
