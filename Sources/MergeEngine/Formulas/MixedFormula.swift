import Adapters
import MergePlanning
import TileKernels

/// Vectors that are weighted sums of those of a bank: all are computed once, in double, and rounded to fp32.
struct MixedFormula: FormulaEvaluation {
  let mixture: Mixture<FactorView>

  private var extent: (rows: Int, columns: Int) {
    mixture.isTransposed ? (mixture.columns, mixture.rows) : (mixture.rows, mixture.columns)
  }

  func memory(_ place: StepPlace) -> StepMemory {
    let numbers = mixture.operands.reduce(0) { $0 + $1.rows * $1.columns }
    return StepMemory(
      shared: mixture.rows * mixture.columns * MemoryLayout<Float>.stride,
      work: numbers * MemoryLayout<Float>.stride * 2)
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    let bank = try context.widened(mixture.bank)
    let logits = try context.widened(mixture.logits)
    let places = try mixture.places.map { try context.widened($0) }
    let length = mixture.bank.columns
    var vectors: [[Double]] = []
    for number in 0..<mixture.logits.rows {
      let own = logits[number * mixture.logits.columns..<(number + 1) * mixture.logits.columns]
      let parts = try places.map { try chosen($0, number, own, context) } ?? largest(own)
      var vector = [Double](repeating: 0, count: length)
      for (place, weight) in parts {
        for element in 0..<length { vector[element] += weight * Double(bank[place * length + element]) }
      }
      vectors.append(vector)
    }
    let (rows, columns) = extent
    var values = [Float](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        let (vector, element) = mixture.place(row: row, column: column, length: length)
        values[row * columns + column] = Float(vectors[vector][element])
      }
    }
    return PreparedValues(values, columns: columns)
  }

  /// The largest logits, of equal ones the first, with their softmax.
  private func largest(_ logits: ArraySlice<Float>) -> [(place: Int, weight: Double)] {
    let order = logits.indices.sorted { logits[$0] == logits[$1] ? $0 < $1 : logits[$0] > logits[$1] }
    let best = order.prefix(mixture.count)
    let top = Double(logits[best[0]])
    let powers = best.map { Smooth.exponential(Double(logits[$0]) - top) }
    let sum = powers.reduce(0, +)
    return zip(best, powers).map { ($0 - logits.startIndex, $1 / sum) }
  }

  /// Those that the file names, with their weights, the last of which is what is missing to 1.
  private func chosen(
    _ places: [Float], _ number: Int, _ weights: ArraySlice<Float>, _ context: StepContext
  ) throws -> [(place: Int, weight: Double)] {
    let last = 1 - weights.reduce(0) { $0 + Double($1) }
    return try (0..<mixture.count).map { index in
      let place = places[number * mixture.count + index]
      guard place >= 0, place < Float(mixture.bank.rows), place == place.rounded() else {
        throw MergeError(
          path: context.inputs.path(of: mixture.bank.source.input), tensor: context.tensor.name,
          .place(row: Int(exactly: place) ?? -1, column: 0, rows: mixture.bank.rows, columns: mixture.bank.columns))
      }
      let weight = index < weights.count ? Double(weights[weights.startIndex + index]) : last
      return (Int(place), weight)
    }
  }
}
