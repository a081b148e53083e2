extension ModuleUpdate {
  /// Whether some of its numbers are drawn when the adapter is loaded.
  package var draws: Bool {
    steps.contains { step in
      step.terms.contains {
        switch $0.formula {
        case .open(.projections): true
        case .open(.bases(let bases)): if case .drawn = bases.source { true } else { false }
        default: false
        }
      }
    }
  }

  /// Whether some of its numbers depend on the sizes of the adapter's largest weights.
  package var dependsOnLargest: Bool {
    steps.contains { $0.terms.contains { if case .open = $0.formula { true } else { false } } }
  }

  /// The same update for an adapter of these weights.
  package func sized(_ weights: AdaptedWeights) -> ModuleUpdate {
    var changed = self
    changed.steps = steps.map { step in
      guard let addition = step.addition else { return step }
      let terms = addition.terms.map { term in
        guard case .open(let blueprint) = term.formula else { return term }
        return Term(
          rows: term.rows, columns: term.columns, .open(blueprint.sized(weights)), scaling: term.scaling)
      }
      return step.with(addition.with(terms))
    }
    return changed
  }

  /// Finds a shared tensor that is too small or too large for the largest weights, and the shape that they need; nil: all fit.
  ///
  /// - Parameter shape: The shape of a tensor of the adapter.
  package func misfit(
    _ weights: AdaptedWeights, shape: (Int) -> [Int]
  ) -> (tensor: Int, name: String, expected: [Int])? {
    let (narrow, wide) = (min(weights.rows, weights.columns), max(weights.rows, weights.columns))
    for step in steps {
      for term in step.terms {
        guard case .open(.bases(let bases)) = term.formula, case .file(let a, let b) = bases.source else { continue }
        let expected = [
          (a.tensor, "randlora_A", [bases.rank, 1, narrow]),
          (b.tensor, "randlora_B", [wide, (narrow + bases.rank - 1) / bases.rank, bases.rank]),
        ]
        if let found = expected.first(where: { shape($0.0) != $0.2 }) { return found }
      }
    }
    return nil
  }
}
