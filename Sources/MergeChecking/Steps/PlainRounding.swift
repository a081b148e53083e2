import CPlainArithmetic
import Inspection
import Safetensors

/// A rounding between two steps, as PEFT has them; the exact result has none.
struct PlainRounding: PlainStep {
  private let type: spa_dtype?

  init(_ dtype: DType) { type = PlainArithmetic.type(dtype) }

  func apply(_ rows: Range<Int>, _ state: inout PlainRows) {
    if let type { state.roundValues(count: rows.count * state.columns, to: type) }
  }

  func rounding(weight: Double, spread: Double, isLast: Bool) -> Double {
    guard let type, !isLast else { return 0 }
    return PlainArithmetic.spacing(type, at: weight + spread) / 2
  }
}
