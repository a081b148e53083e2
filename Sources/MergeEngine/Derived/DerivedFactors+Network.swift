import Adapters
import MergePlanning

extension DerivedFactors {
  /// PEANuT: B, and what the network makes of each column.
  init(_ network: Network<FactorView>, _ derivation: Derivation<FactorView>, _ context: StepContext) throws {
    let (rank, columns) = (network.rank, derivation.columns)
    func matrix(_ view: FactorView) throws -> [Double] { try context.widened(view)[..<(rank * rank)].map(Double.init) }
    let encoders = try network.encoders.map(matrix)
    let decoders = try network.decoders.map(matrix)
    let depth = encoders.count
    let input = Array(try context.widened(network.input)[..<(rank * derivation.rows)])
    var image = try WeightImage(input, derivation, context).values
    var value = [Double](repeating: 0, count: rank)
    var next = value
    // What each encoder began with.
    var kept = [Double](repeating: 0, count: rank * depth)
    for column in 0..<columns {
      for place in 0..<rank { value[place] = network.activation.value(image[place * columns + column]) }
      for (number, encoder) in encoders.enumerated() {
        for place in 0..<rank { kept[number * rank + place] = value[place] }
        Self.multiply(encoder, value, network.activation, into: &next)
        swap(&value, &next)
      }
      for (number, decoder) in decoders.enumerated() {
        Self.multiply(decoder, value, network.activation, into: &next)
        let start = (depth - 1 - number) * rank
        for place in 0..<rank { next[place] += kept[start + place] }
        swap(&value, &next)
      }
      for place in 0..<rank { image[place * columns + column] = value[place] }
    }
    left = Array(try context.widened(network.output)[..<(derivation.rows * rank)])
    right = image.map { Float($0) }
  }

  /// `result = f(matrix . vector)`.
  private static func multiply(
    _ matrix: [Double], _ vector: [Double], _ activation: Activation, into result: inout [Double]
  ) {
    let (matrix, vector) = (matrix.span, vector.span)
    let rank = vector.count
    for row in 0..<rank {
      var sum = 0.0
      for column in 0..<rank { sum += matrix[row * rank + column] * vector[column] }
      result[row] = activation.value(sum)
    }
  }
}
