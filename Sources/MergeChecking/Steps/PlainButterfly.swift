import Adapters

/// The product of neighboring factors of a butterfly, in double: blocks of columns that lie apart, each less the identity.
struct PlainButterfly {
  /// The columns of each block of the product.
  private(set) var columns: [[Int]] = []
  /// The blocks, row after row.
  private(set) var blocks: [[Double]] = []

  /// - Parameters:
  ///   - factors: The matrices of each factor, row after row.
  ///   - level: Of the first factor.
  init(_ factors: [[Float]], columns count: Int, size: Int, level: Int) {
    let places = factors.indices.map { Self.columns(count, size, level + $0) }
    // For each factor the block that a column is in.
    let numbers = places.map { blocks in
      var numbers = [Int](repeating: 0, count: count)
      for (number, columns) in blocks.enumerated() { for column in columns { numbers[column] = number } }
      return numbers
    }
    var (isFound, local) = ([Bool](repeating: false, count: count), [Int](repeating: 0, count: count))
    for column in 0..<count where !isFound[column] {
      // All that the factors connect with it.
      var connected: Set<Int> = [column]
      for (factor, blocks) in places.enumerated() {
        connected.formUnion(connected.flatMap { blocks[numbers[factor][$0]] })
      }
      let own = connected.sorted()
      for (index, column) in own.enumerated() { (isFound[column], local[column]) = (true, index) }
      var product = [Double](repeating: 0, count: own.count * own.count)
      for (factor, values) in factors.enumerated() {
        for number in Set(own.map { numbers[factor][$0] }).sorted() {
          let block = PlainRotation.change(
            Self.entries(values, number, size), size, Cayley(terms: nil, limit: nil, isTransposed: true))
          Self.multiply(&product, own.count, by: block, places[factor][number].map { local[$0] })
        }
      }
      columns.append(own)
      blocks.append(product)
    }
  }

  /// Above the diagonal of half the difference of a matrix and its transposed.
  private static func entries(_ values: [Float], _ number: Int, _ size: Int) -> [Double] {
    let first = number * size * size
    func at(_ row: Int, _ column: Int) -> Double { Double(values[first + row * size + column]) }
    return (0..<size).flatMap { row in (row + 1..<max(size, row + 1)).map { 0.5 * (at(row, $0) - at($0, row)) } }
  }

  /// Makes E the change that `(I + E) (I + D)` is, D being a block of some of the columns.
  private static func multiply(_ change: inout [Double], _ width: Int, by block: [Double], _ columns: [Int]) {
    for row in 0..<width {
      let before = columns.map { change[row * width + $0] }
      let own = columns.firstIndex(of: row)
      for (number, column) in columns.enumerated() {
        var sum = 0.0
        for (index, value) in before.enumerated() { sum += value * block[index * columns.count + number] }
        if let own { sum += block[own * columns.count + number] }
        change[row * width + column] += sum
      }
    }
  }

  /// The columns of each block of a factor: a permutation takes the even parts of a group before its odd ones, parts being half a
  /// block, and the blocks stand one after another before it.
  private static func columns(_ columns: Int, _ size: Int, _ level: Int) -> [[Int]] {
    if level == 0 { return stride(from: 0, to: columns, by: size).map { Array($0..<$0 + size) } }
    let (part, group) = (size / 2, size << level)
    var blocks = [[Int]](repeating: [], count: columns / size)
    var sorted = [Int](repeating: 0, count: columns)
    for column in 0..<columns {
      let (inside, count) = (column % group / part, group / part)
      // Where the permutation puts the part: the first half to even places, the second to odd ones.
      let place = inside < count / 2 ? 2 * inside : 2 * (inside - count / 2) + 1
      sorted[column / group * group + place * part + column % part] = column
    }
    for (place, column) in sorted.enumerated() { blocks[place / size].append(column) }
    return blocks
  }
}
