import Adapters
import Inspection
import MergePlanning
import Safetensors

/// Reads matrices out of tensors; the tensor that was read last is kept, because the experts of a stack share one.
struct FactorReader {
  let files: OpenFiles
  private var source: MergePlan.Source?
  private var elements: [Float] = []

  /// Of the tensor whose factors these are; nil: none of them follows from it.
  let weight: PlainWeight?

  init(files: OpenFiles, weight: PlainWeight? = nil) {
    self.files = files
    self.weight = weight
  }

  mutating func values(_ view: FactorView) throws(SafetensorsError) -> [Float] {
    if source != view.source {
      if let factor = PlainFactors.byteCount(view.source.dtype) {
        var bytes: [UInt8] = []
        try files.read(view.source.input, view.source.range, into: &bytes)
        elements = PlainFactors.widen(bytes, view.source.dtype, count: view.source.range.count / factor)
        source = view.source
        return strided(view)
      }
      guard let type = PlainArithmetic.type(view.source.dtype) else {
        throw SafetensorsError(
          path: files.path(of: view.source.input), .schema("\(view.source.dtype.name) is not computed on"))
      }
      var bytes: [UInt8] = []
      try files.read(view.source.input, view.source.range, into: &bytes)
      let count = view.source.range.count / PlainArithmetic.byteCount(type)
      elements = [Float](repeating: 0, count: count)
      PlainArithmetic.widen(bytes, as: type, count: count, into: &elements)
      source = view.source
    }
    return strided(view)
  }

  /// The integers of a matrix, row after row; numbers that are none are -1.
  func integers(_ view: FactorView) throws(SafetensorsError) -> [Int] {
    var bytes: [UInt8] = []
    try files.read(view.source.input, view.source.range, into: &bytes)
    let count = view.source.range.count / (view.source.dtype.bitCount / 8)
    let all = PlainFactors.integers(bytes, view.source.dtype, count: count)
    return (0..<view.rows * view.columns).map {
      all[view.offset + $0 / view.columns * view.rowStride + $0 % view.columns * view.columnStride]
    }
  }

  /// The matrix of what was read, row after row.
  private func strided(_ view: FactorView) -> [Float] {
    if !view.spread.isEmpty { return spread(view) }
    if view.columnStride == 1, view.rowStride == view.columns, view.offset == 0,
      elements.count == view.rows * view.columns
    {
      return elements
    }
    var values: [Float] = []
    values.reserveCapacity(view.rows * view.columns)
    for row in 0..<view.rows {
      let start = view.offset + row * view.rowStride
      for column in 0..<view.columns { values.append(elements[start + column * view.columnStride]) }
    }
    return values
  }

  /// The matrix with the zeros between what is stored.
  private func spread(_ view: FactorView) -> [Float] {
    var values = [Float](repeating: 0, count: view.rows * view.columns)
    let stored = view.stored
    for row in 0..<stored.rows {
      for column in 0..<stored.columns {
        let target = (row * view.spread.rows.count + view.spread.rows.offset) * view.columns
        values[target + column * view.spread.columns.count + view.spread.columns.offset] =
          elements[view.offset + row * view.rowStride + column * view.columnStride]
      }
    }
    return values
  }
}
