import Adapters
import Inspection
import Safetensors

/// The weight of the tensor that is compared, for formulas that follow from all of it.
struct PlainWeight {
  let rows: Int
  let columns: Int
  /// Reads rows in fp32, one after the other.
  let read: (Range<Int>) throws(SafetensorsError) -> [Float]

  /// Rows that are read at once, a multiple of what is summed in fp32 at once.
  private static let rowsAtOnce = 4 * WeightProducts.runLength

  /// `left . W`, W being the layer's: in fp32 over runs of W's rows, these in double; and exactly. With that the sums of the magnitudes.
  ///
  /// - Parameters:
  ///   - left: rank x the layer's rows, row after row.
  ///   - isTransposed: Whether the tensor's rows are the layer's columns.
  func image(
    _ left: [Float], rank: Int, isTransposed: Bool
  ) throws(SafetensorsError) -> (narrow: [Double], wide: [Double], spreads: [Double]) {
    let (height, width) = isTransposed ? (columns, rows) : (rows, columns)
    var narrow = [Double](repeating: 0, count: rank * width)
    var (wide, spreads) = (narrow, narrow)
    for first in stride(from: 0, to: rows, by: Self.rowsAtOnce) {
      let block = first..<min(first + Self.rowsAtOnce, rows)
      let elements = try read(block)
      for place in 0..<rank {
        // Of the layer's rows those that were read.
        let summed = isTransposed ? 0..<height : block
        for run in stride(from: summed.lowerBound, to: summed.upperBound, by: WeightProducts.runLength) {
          let end = min(run + WeightProducts.runLength, summed.upperBound)
          for other in isTransposed ? block : 0..<width {
            var (sum, exact, spread) = (Float(0), 0.0, 0.0)
            for row in run..<end {
              let weight =
                isTransposed
                ? elements[(other - first) * columns + row] : elements[(row - first) * columns + other]
              let factor = left[place * height + row]
              sum.addProduct(factor, weight)
              exact += Double(factor) * Double(weight)
              spread += abs(Double(factor) * Double(weight))
            }
            narrow[place * width + other] += Double(sum)
            wide[place * width + other] += exact
            spreads[place * width + other] += spread
          }
        }
      }
    }
    return (narrow, wide, spreads)
  }
}
