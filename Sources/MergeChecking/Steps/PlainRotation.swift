import Adapters
import Inspection
import MergePlanning
import Safetensors

/// The rows times a matrix, whose blocks, or reflections, are computed in double; products with them are summed in fp32.
struct PlainRotation: PlainStep {
  /// A matrix of `size` rows for the columns of each block, less the identity, in double; one is all of them. Their products are
  /// added to the rows.
  private let blocks: [[Double]]
  private let size: Int
  /// Vectors of length 1; where there are some there are no blocks.
  private let vectors: [[Double]]
  /// The columns of each block, where they don't lie beside each other.
  private let columnsOfBlocks: [[Int]]

  var multiplies: Bool { true }
  // Of blocks the sum, a factor's rounding, and the addition; of reflections the sum, the subtraction, and the roundings of a
  // part and a vector.
  var sumLength: Int { vectors.isEmpty ? size + 2 : vectors.count + 3 }

  init(
    _ rotation: Rotation<FactorView>, columns: Int, _ reader: inout FactorReader
  ) throws(SafetensorsError) {
    switch rotation.form {
    case .blocks(let entries, let size, let cayley):
      let values = try reader.values(entries)
      self.size = size
      (vectors, columnsOfBlocks) = ([], [])
      blocks = (0..<entries.rows).map { block in
        let own = values[block * entries.columns..<(block + 1) * entries.columns]
        return Self.change(own.map { Double($0) }, size, cayley)
      }
    case .reflections(let matrix, let areOrthogonal):
      let values = try reader.values(matrix)
      size = columns
      (blocks, columnsOfBlocks) = ([], [])
      vectors = Self.unitVectors(values, matrix.columns, areOrthogonal: areOrthogonal)
    case .butterfly(let factors, let size, let level):
      var values: [[Float]] = []
      for factor in factors { values.append(try reader.values(factor)) }
      let product = PlainButterfly(values, columns: columns, size: size, level: level)
      self.size = size << (factors.count - 1)
      (blocks, vectors, columnsOfBlocks) = (product.blocks, [], product.columns)
    case .bands, .lowRank: preconditionFailure("a step of its own")
    }
  }

  func apply(_ rows: Range<Int>, _ state: inout PlainRows) {
    for row in 0..<rows.count {
      if vectors.isEmpty { rotate(row, &state) } else { reflect(row, &state) }
    }
  }

  private func rotate(_ row: Int, _ state: inout PlainRows) {
    let columns = state.columns
    let start = row * columns
    for (number, first) in stride(from: 0, to: columns, by: size).enumerated() {
      let block = blocks[blocks.count == 1 ? 0 : number]
      let places = columnsOfBlocks.isEmpty ? Array(first..<first + size) : columnsOfBlocks[number]
      var (narrow, wide, scales): ([Float], [Double], [Double]) = ([], [], [])
      for column in 0..<size {
        let own = start + places[column]
        var (sum, exact, scale) = (Float(0), 0.0, state.scales[own])
        for k in 0..<size {
          let factor = block[k * size + column]
          sum.addProduct(state.values[start + places[k]], Float(factor))
          exact += state.exact[start + places[k]] * factor
          scale += state.scales[start + places[k]] * abs(factor)
        }
        narrow.append(state.values[own] + sum)
        wide.append(state.exact[own] + exact)
        scales.append(scale)
      }
      for (k, place) in places.enumerated() {
        state.values[start + place] = narrow[k]
        state.exact[start + place] = wide[k]
        state.scales[start + place] = scales[k]
      }
    }
  }

  private func reflect(_ row: Int, _ state: inout PlainRows) {
    let range = row * state.columns..<(row + 1) * state.columns
    /// What the row becomes, and what each vector takes off it.
    func reflected(_ values: [Double]) -> (row: [Double], parts: [Double]) {
      var (result, parts): ([Double], [Double]) = (values, [])
      for vector in vectors {
        let part = 2 * zip(result, vector).reduce(0) { $0 + $1.0 * $1.1 }
        for index in result.indices { result[index] -= part * vector[index] }
        parts.append(part)
      }
      return (result, parts)
    }
    // The merge rounds the parts and the vectors to fp32, and sums their products in it.
    let parts = reflected(state.values[range].map(Double.init)).parts
    for (index, place) in range.enumerated() {
      var sum = Float(0)
      for (part, vector) in zip(parts, vectors) { sum.addProduct(Float(part), Float(vector[index])) }
      state.values[place] -= sum
    }
    state.exact.replaceSubrange(range, with: reflected(Array(state.exact[range])).row)
    // No element is longer than the row.
    let norm = state.scales[range].reduce(0) { $0 + $1 * $1 }.squareRoot()
    state.scales.replaceSubrange(range, with: [Double](repeating: norm, count: range.count))
  }

  /// `(I - Q) (I + Q)^-1 - I = -2 Q (I + Q)^-1`, or the series without its first term.
  static func change(_ entries: [Double], _ size: Int, _ cayley: Cayley) -> [Double] {
    func at(_ row: Int, _ column: Int) -> Double {
      if row == column { return 0 }
      let (low, high) = (min(row, column), max(row, column))
      let value = entries[low * (2 * size - low - 1) / 2 + high - low - 1]
      return row < column ? value : -value
    }
    var factor = 1.0
    if let limit = cayley.limit {
      // Each entry stands twice.
      let norm = (2 * entries.reduce(0.0) { $0 + $1 * $1 }).squareRoot()
      if norm > limit { factor = limit / norm }
    }
    // The transposed block is that of -Q.
    if cayley.isTransposed { factor = -factor }
    let skew = (0..<size * size).map { factor * at($0 / size, $0 % size) }
    guard let terms = cayley.terms else { return change(skew: skew, size) }
    var result = [Double](repeating: 0, count: size * size)
    let last = terms < 3 ? terms - 1 : max(3, terms - 1)
    // Horner's scheme from the highest power on.
    for exponent in stride(from: last, through: 0, by: -1) {
      result = product(result, skew, size)
      guard exponent > 0 else { break }
      for index in 0..<size { result[index * size + index] += exponent == last && terms > 2 ? 1 : 2 }
    }
    return result
  }

  /// `(I - Q) (I + Q)^-1 - I = -2 Q (I + Q)^-1`, Q being skew-symmetric, row after row.
  static func change(skew: [Double], _ size: Int) -> [Double] {
    product(skew.map { -2 * $0 }, inverse(skew, size), size)
  }

  private static func product(_ one: [Double], _ other: [Double], _ size: Int) -> [Double] {
    var result = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for column in 0..<size {
        var sum = 0.0
        for k in 0..<size { sum += one[row * size + k] * other[k * size + column] }
        result[row * size + column] = sum
      }
    }
    return result
  }

  /// `(I + Q)^-1`: Gauss and Jordan, row by row, on `I + Q` and the identity.
  private static func inverse(_ skew: [Double], _ size: Int) -> [Double] {
    var rows = (0..<size).map { row in
      (0..<2 * size).map { column in
        column < size ? skew[row * size + column] + (row == column ? 1 : 0) : column - size == row ? 1.0 : 0
      }
    }
    for pivot in 0..<size {
      let best = (pivot..<size).max { abs(rows[$0][pivot]) < abs(rows[$1][pivot]) } ?? pivot
      rows.swapAt(pivot, best)
      let scale = rows[pivot][pivot]
      rows[pivot] = rows[pivot].map { $0 / scale }
      for row in 0..<size where row != pivot {
        let factor = rows[row][pivot]
        if factor != 0 { rows[row] = zip(rows[row], rows[pivot]).map { $0 - factor * $1 } }
      }
    }
    return rows.flatMap { $0[size...] }
  }

  private static func unitVectors(_ values: [Float], _ count: Int, areOrthogonal: Bool) -> [[Double]] {
    var found: [[Double]] = []
    for column in 0..<count {
      var vector = stride(from: column, to: values.count, by: count).map { Double(values[$0]) }
      for other in areOrthogonal ? found : [] {
        let part = zip(vector, other).map { $0 * $1 }.reduce(0, +)
        vector = zip(vector, other).map { $0 - part * $1 }
      }
      let norm = vector.map { $0 * $0 }.reduce(0, +).squareRoot()
      found.append(vector.map { $0 / norm })
    }
    return found
  }
}
