import ModelNames
import Safetensors

extension ComponentNames {
  /// A view as the planner has it, with the names on disk.
  func placement(of named: NamedView) -> Result<TensorPlacement, NameProblem> {
    named.view.map { view in
      let name = TensorName(named.name)
      if let run = view.runs.first, view.runs.count == 1, !view.isTransposed, view.shape == shapes[run.tensor] {
        return TensorPlacement(whole: tensors[run.tensor], as: name, shape: view.shape, rule: named.rule)
      }
      // The planner's rows are those of a matrix, and a convolution's first dimension has several.
      let unit = view.isTransposed ? 1 : view.rowShape.dropLast().reduce(1, *)
      var row = 0
      let parts = view.runs.map { run in
        let count = view.isTransposed ? view.rowCount : run.rows.count * unit
        defer { row += count }
        return TensorPlacement.Part(
          tensors[run.tensor], runtimeRows: row..<row + count, row: run.rows.lowerBound * unit,
          isTransposed: view.isTransposed)
      }
      return TensorPlacement(name: name, shape: view.shape, parts: parts, rule: named.rule)
    }
  }
}
