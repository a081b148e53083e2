import Adapters
import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors

/// Products that follow from the tensor's weight, by loops of their own.
enum PlainDerivation {
  /// The product of the two factors.
  static func formula(
    _ derivation: Derivation<FactorView>, _ reader: inout FactorReader
  ) throws(SafetensorsError) -> any PlainFormula {
    guard let weight = reader.weight else { preconditionFailure("the weight is read with the tensor that has it") }
    let (left, right): (PlainTable, PlainTable)
    switch derivation.form {
    case .substitution(let substitution): (left, right) = try factors(substitution, derivation, weight, &reader)
    case .network(let network): (left, right) = try factors(network, derivation, weight, &reader)
    case .smallestSingularValues: preconditionFailure("tensors that are decomposed are not compared")
    }
    let rank = derivation.rank
    if derivation.isTransposed {
      return PlainComposition(left: right.transposed, right: left.transposed, rank: rank, columns: derivation.rows)
    }
    return PlainComposition(left: left, right: right, rank: rank, columns: derivation.columns)
  }

  private static func table(_ values: [Float], columns: Int) -> PlainTable {
    PlainTable(
      narrow: values, wide: values.map(Double.init), spreads: values.map { Double(abs($0)) }, columns: columns)
  }

  /// Q, and `s R - F^T W`.
  private static func factors(
    _ substitution: Substitution<FactorView>, _ derivation: Derivation<FactorView>, _ weight: PlainWeight,
    _ reader: inout FactorReader
  ) throws(SafetensorsError) -> (left: PlainTable, right: PlainTable) {
    let (height, rank) = (derivation.rows, substitution.rank)
    var directions = try reader.values(substitution.directions)
    if substitution.isOrthogonal { directions = orthogonal(directions, columns: rank) }
    let left = table(directions, columns: rank)
    let removed = left.transposed.narrow.map { substitution.isOrthogonal ? $0 : max($0, 0) }
    var image = try weight.image(removed, rank: rank, isTransposed: derivation.isTransposed)
    var injection = [Float](repeating: 0, count: image.narrow.count)
    if let own = substitution.injection { injection = try reader.values(own) }
    for (index, value) in injection.enumerated() {
      let scaled = substitution.scaling * Double(value)
      image.narrow[index] = scaled - image.narrow[index]
      image.wide[index] = scaled - image.wide[index]
      image.spreads[index] += abs(scaled)
    }
    let right = PlainTable(
      narrow: image.narrow.map { Float($0) }, wide: image.wide, spreads: image.spreads, columns: derivation.columns,
      rank: min(height, WeightProducts.runLength) + 2)
    return (left, right)
  }

  /// The Q of a matrix, each reflection being made as a matrix of its own.
  private static func orthogonal(_ values: [Float], columns: Int) -> [Float] {
    let rows = values.count / columns
    var rest = values.map(Double.init)
    // Q^T, of which the first rows are wanted.
    var turned = (0..<rows * columns).map { $0 / columns == $0 % columns ? 1.0 : 0 }
    var mirrors: [[Double]] = []
    for column in 0..<columns {
      var mirror = (0..<rows).map { $0 < column ? 0 : rest[$0 * columns + column] }
      let norm = mirror.map { $0 * $0 }.reduce(0, +).squareRoot()
      // Nothing below the diagonal: LAPACK leaves such a column as it is.
      let isDone = mirror.indices.allSatisfy { $0 == column || mirror[$0] == 0 }
      mirror[column] += mirror[column].sign == .minus ? -norm : norm
      let square = mirror.map { $0 * $0 }.reduce(0, +)
      if isDone { mirror = mirror.map { _ in 0 } }
      mirrors.append(square == 0 ? mirror : mirror.map { $0 * (2 / square).squareRoot() })
      mirrored(&rest, at: mirrors[column], columns)
    }
    for mirror in mirrors.reversed() { mirrored(&turned, at: mirror, columns) }
    return turned.map { Float($0) }
  }

  /// `matrix -= mirror (mirror^T matrix)`.
  private static func mirrored(_ matrix: inout [Double], at mirror: [Double], _ columns: Int) {
    for column in 0..<columns {
      var part = 0.0
      for (row, value) in mirror.enumerated() { part += value * matrix[row * columns + column] }
      for (row, value) in mirror.enumerated() { matrix[row * columns + column] -= value * part }
    }
  }

  /// B, and what the network makes of each column.
  private static func factors(
    _ network: Network<FactorView>, _ derivation: Derivation<FactorView>, _ weight: PlainWeight,
    _ reader: inout FactorReader
  ) throws(SafetensorsError) -> (left: PlainTable, right: PlainTable) {
    let (rank, width) = (network.rank, derivation.columns)
    let input = try reader.values(network.input)
    var (encoders, decoders): ([[Float]], [[Float]]) = ([], [])
    for view in network.encoders { encoders.append(try reader.values(view)) }
    for view in network.decoders { decoders.append(try reader.values(view)) }
    let image = try weight.image(input, rank: rank, isTransposed: derivation.isTransposed)
    func column(_ values: [Double], _ number: Int) -> [Double] { (0..<rank).map { values[$0 * width + number] } }
    var right = PlainTable(
      narrow: [], wide: [], spreads: [], columns: rank,
      rank: min(derivation.rows, WeightProducts.runLength) + 2 * rank * encoders.count + 4)
    for number in 0..<width {
      let narrow = PlainNetwork(network.activation, column(image.narrow, number), column(image.spreads, number))
      right.narrow += narrow.result(encoders, decoders).values.map { Float($0) }
      let wide = PlainNetwork(network.activation, column(image.wide, number), column(image.spreads, number))
        .result(encoders, decoders)
      right.wide += wide.values
      right.spreads += wide.spreads
    }
    return (table(try reader.values(network.output), columns: rank), right.transposed)
  }
}
