import MergePlanning
import Platform

/// Compares matrices that an adapter says are one.
struct EqualityCheck {
  let inputs: InputFiles
  let options: MergeEngine.Options

  /// Compares two matrices of the adapters, row by row, in fp32.
  func check(_ equality: MergePlan.Equality) throws {
    let (one, other) = (equality.one, equality.other)
    guard one.rows == other.rows, one.columns == other.columns else { throw error(equality) }
    let preparation = UpdatePreparation(inputs: inputs, kernels: options.kernels)
    let rowsAtOnce = options.tileSize.rows(columns: one.columns)
    for first in stride(from: 0, to: one.rows, by: rowsAtOnce) {
      try options.interruption.check()
      let rows = first..<min(first + rowsAtOnce, one.rows)
      guard try preparation.widened(one, rows: rows) == preparation.widened(other, rows: rows) else {
        throw error(equality)
      }
    }
  }

  private func error(_ equality: MergePlan.Equality) -> MergeError {
    MergeError(
      path: inputs.path(of: equality.one.source.input), tensor: equality.oneName,
      problem(equality))
  }

  private func problem(_ equality: MergePlan.Equality) -> MergeError.Problem {
    if equality.isCopy { return .notACopy(of: equality.otherName) }
    guard let module = equality.sharedBy else { return .notEqual(other: equality.otherName) }
    return .sharedModule(module, other: equality.otherName)
  }
}
