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

extension PlainFormula {
  /// A row in fp32 and in fp64.
  func row(_ row: Int, _ columns: Int, _ scratch: inout PlainScratch) -> ([Float], [Double]) {
    var narrow = [Float](repeating: -0.0, count: columns)
    var wide = [Double](repeating: 0, count: columns)
    add(row: row, columns: columns, scale: 1, to: &narrow, &wide, at: 0, &scratch)
    return (narrow, wide)
  }

  /// The magnitudes of what a row is summed up of.
  func spread(_ row: Int, _ columns: Int, _ scratch: inout PlainScratch) -> [Double] {
    var sums = [Double](repeating: 0, count: columns)
    addSpread(row: row, columns: columns, scale: 1, to: &sums, at: 0, &scratch)
    return sums
  }
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
    case .composed(let left, let right):
      return PlainComposition(
        left: try left.plain(&reader), right: try right.plain(&reader), rank: left.columns, columns: right.columns)
    case .tucker(let left, let core, let right):
      return PlainTucker(
        left: try reader.values(left), core: try reader.values(core), right: try reader.values(right),
        ranks: (left.columns, right.rows), columns: right.columns)
    case .hadamard(let one, let other):
      return PlainHadamard(one: try one.plain(&reader), other: try other.plain(&reader))
    case .kronecker(let outer, let inner, let kernel):
      return PlainKronecker(
        outer: try outer.plain(&reader), inner: try inner.plain(&reader), outerColumns: outer.columns,
        innerExtent: (inner.rows, inner.columns), kernel: kernel)
    case .repeated(let formula, _, _):
      return PlainRepetition(formula: try formula.plain(&reader), extent: (formula.rows, formula.columns))
    case .scattered(let values, let places, _, let columns):
      return PlainScatter(
        values: try reader.values(values), places: try reader.integers(places), isFlat: places.rows == 1,
        columns: columns)
    case .circulant(let kernels, let size):
      return PlainCirculant(kernels: try reader.values(kernels), size: size)
    case .mixed(let mixture):
      var places: [Float]?
      if let view = mixture.places { places = try reader.values(view) }
      return PlainMixture.table(
        mixture, extent: (rows, columns), logits: try reader.values(mixture.logits), places: places,
        bank: try reader.values(mixture.bank), length: mixture.bank.columns)
    case .derived(let derivation): return try PlainDerivation.formula(derivation, &reader)
    case .image(let weight, let columns, let dtype): return try PlainImage.formula(weight, columns, dtype, &reader)
    case .stretched(let formula, let rows, let columns):
      return PlainStretch(formula: try formula.plain(&reader), rows: rows, columns: columns)
    case .drawn(let draw): return PlainMatrix(values: draw.plainElements)
    case .chosen(let values, let places):
      let numbers = try reader.values(values)
      let chosen = try reader.integers(places)
      return PlainMatrix(values: chosen.map { numbers.indices.contains($0) ? numbers[$0] : .nan })
    case .weighted(let weights, let matrices, _, let isTransposed):
      return PlainSum.table(
        weights: try reader.values(weights), matrices: try reader.values(matrices), columns: columns,
        isTransposed: isTransposed)
    case .spectral(let spectrum): return PlainSpectrum.plain(spectrum, values: try reader.values(spectrum.values))
    case .window(let formula, let rows):
      return PlainWindow(formula: try formula.plain(&reader), first: rows.lowerBound)
    case .open: preconditionFailure("a plan has no formula that is not whole")
    case .bounded(let left, let right, let bound):
      var factor = try reader.values(left)
      let other = try reader.values(right)
      let scales = PlainProduct.scales(
        factor, other, bound: try reader.values(bound)[0], rank: left.columns, columns: right.columns)
      for index in factor.indices { factor[index] *= scales[index % left.columns] }
      return PlainProduct(left: factor, right: other, rank: left.columns)
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

extension PlainProduct {
  /// What gives every term of rank one the norm `bound / rank`, norms below 1e-4 counting as that.
  fileprivate static func scales(
    _ left: [Float], _ right: [Float], bound: Float, rank: Int, columns: Int
  ) -> [Float] {
    (0..<rank).map { term in
      var (one, other) = (0.0, 0.0)
      for value in stride(from: term, to: left.count, by: rank).map({ Double(left[$0]) }) { one += value * value }
      for value in right[term * columns..<(term + 1) * columns].map(Double.init) { other += value * value }
      return Float(
        Double(bound) / Double(rank) / (max(one.squareRoot(), 1e-4) * max(other.squareRoot(), 1e-4)))
    }
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
    let (narrow, wide) = one.row(row, columns, &scratch)
    let (otherNarrow, otherWide) = other.row(row, columns, &scratch)
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
    let (spread, otherSpread) = (one.spread(row, columns, &scratch), other.spread(row, columns, &scratch))
    for column in 0..<columns { sums[place + column] += Double(abs(scale)) * spread[column] * otherSpread[column] }
  }
}
