import Adapters
import Inspection
import MergePlanning
import Safetensors

/// A formula's rows, in fp32 as the merge promises and in fp64.
protocol PlainFormula: Sendable {
  /// The length of the longest sum, in roundings.
  var rank: Int { get }
  /// `delta[place ..< place + columns] += scale * row`, in fp32 and in fp64.
  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch)
  /// Adds the magnitudes of what a row is summed up of, times that of `scale`.
  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch)
}

extension Formula where Operand == FactorView {
  /// The check's one switch over formulas: reads the factors.
  func plain(_ reader: inout FactorReader) throws(SafetensorsError) -> any PlainFormula {
    switch self {
    case .matrix(let values): return PlainMatrix(values: try reader.values(values))
    case .product(let left, let right, let diagonal):
      var factor = try reader.values(left)
      if let diagonal {
        let factors = try reader.values(diagonal)
        for index in factor.indices { factor[index] *= factors[index % left.columns] }
      }
      return PlainProduct(left: factor, right: try reader.values(right), rank: left.columns)
    case .tucker(let left, let core, let right):
      return PlainTucker(
        left: try reader.values(left), core: try reader.values(core), right: try reader.values(right),
        ranks: (left.columns, right.rows), columns: right.columns)
    case .hadamard(let one, let other):
      return PlainHadamard(one: try one.plain(&reader), other: try other.plain(&reader))
    }
  }
}

/// A matrix as it is in the adapter, row after row.
struct PlainMatrix: PlainFormula {
  let values: [Float]

  var rank: Int { 1 }

  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    for column in 0..<columns {
      let value = values[row * columns + column]
      let scaled = scale * value
      delta[place + column] += scaled
      exact[place + column] += Double(scale) * Double(value)
    }
  }

  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    for column in 0..<columns { sums[place + column] += Double(abs(scale * values[row * columns + column])) }
  }
}

/// `left` is rows x rank, `right` rank x columns.
struct PlainProduct: PlainFormula {
  let left: [Float]
  let right: [Float]
  let rank: Int

  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    PlainArithmetic.addProduct(
      left: left, row: row, right: right, rank: rank, columns: columns, scale: scale, to: &delta, &exact, at: place,
      &scratch.narrow, &scratch.wide)
  }

  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    PlainArithmetic.addSpreads(
      left: left, row: row, right: right, rank: rank, columns: columns, scale: scale, to: &sums, at: place,
      &scratch.wide)
  }
}

/// Two matrices multiplied element by element, each rounded to fp32 before.
struct PlainHadamard: PlainFormula {
  let one: any PlainFormula
  let other: any PlainFormula

  /// The relative errors of both add up, and the product rounds.
  var rank: Int { one.rank + other.rank + 1 }

  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    let (narrow, wide) = Self.row(row, of: one, columns, &scratch)
    let (otherNarrow, otherWide) = Self.row(row, of: other, columns, &scratch)
    for column in 0..<columns {
      let product = narrow[column] * otherNarrow[column]
      let scaled = scale * product
      delta[place + column] += scaled
      exact[place + column] += Double(scale) * (wide[column] * otherWide[column])
    }
  }

  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    var spread = [Double](repeating: 0, count: columns)
    var otherSpread = spread
    one.addSpread(row: row, columns: columns, scale: 1, to: &spread, at: 0, &scratch)
    other.addSpread(row: row, columns: columns, scale: 1, to: &otherSpread, at: 0, &scratch)
    for column in 0..<columns { sums[place + column] += Double(abs(scale)) * spread[column] * otherSpread[column] }
  }

  private static func row(
    _ row: Int, of formula: any PlainFormula, _ columns: Int, _ scratch: inout PlainScratch
  ) -> ([Float], [Double]) {
    var narrow = [Float](repeating: -0.0, count: columns)
    var wide = [Double](repeating: 0, count: columns)
    formula.add(row: row, columns: columns, scale: 1, to: &narrow, &wide, at: 0, &scratch)
    return (narrow, wide)
  }
}
