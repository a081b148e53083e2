import ImageModels
import Safetensors

/// Which rows of tensors parameters are made of.
struct RowCoverage {
  private var rows: [TensorName: [Range<Int>]] = [:]

  func overlaps(_ parameter: ParameterRows) -> Bool {
    parameter.runs.contains { run in rows[run.tensor]?.contains { $0.overlaps(run.rows) } ?? false }
  }

  mutating func add(_ parameter: ParameterRows) {
    for run in parameter.runs { rows[run.tensor, default: []].append(run.rows) }
  }

  /// Whether all rows of a tensor are covered.
  func has(all tensor: TensorName, of count: Int) -> Bool {
    (rows[tensor] ?? []).reduce(0) { $0 + $1.count } == count
  }
}
