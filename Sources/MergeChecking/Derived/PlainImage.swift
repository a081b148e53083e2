import Adapters
import Inspection
import MergePlanning
import Safetensors

/// A weight times a column, as one row.
enum PlainImage {
  static func formula(
    _ weight: FactorView, _ columns: Formula<FactorView>, _ dtype: DType?, _ reader: inout FactorReader
  ) throws(SafetensorsError) -> any PlainFormula {
    let plain = try columns.plain(&reader)
    var (narrow, wide, spreads): ([Float], [Double], [Double]) = ([], [], [])
    var scratch = PlainScratch(columns: 1)
    for row in 0..<columns.rows {
      let (one, exact) = plain.row(row, 1, &scratch)
      narrow += one
      wide += exact
      spreads += plain.spread(row, 1, &scratch)
    }
    if let type = dtype.flatMap(PlainArithmetic.type) {
      var bytes = [UInt8](repeating: 0, count: narrow.count * PlainArithmetic.byteCount(type))
      PlainArithmetic.round(narrow, as: type, count: narrow.count, into: &bytes)
      PlainArithmetic.widen(bytes, as: type, count: narrow.count, into: &narrow)
    }
    let elements = try reader.values(weight)
    var table = PlainTable(narrow: [], wide: [], spreads: [], columns: weight.rows, rank: plain.rank + 1)
    for row in 0..<weight.rows {
      var (sum, exact, spread) = (0.0, 0.0, 0.0)
      for column in 0..<weight.columns {
        let value = Double(elements[row * weight.columns + column])
        sum += value * Double(narrow[column])
        exact += value * wide[column]
        spread += abs(value) * spreads[column]
      }
      table.narrow.append(Float(sum))
      table.wide.append(exact)
      table.spreads.append(spread)
    }
    return table
  }
}
