import Testing
import TileKernels

@Suite("Products of rows with vectors of fp64")
struct ProjectionTests {
  @Test("Every number of rows, columns and vectors")
  func sizes() throws {
    var random = SeededGenerator()
    for columns in Array(0...35) + [255, 1000, 4097] {
      for (rows, count) in [(0, 1), (1, 0), (1, 1), (3, 2), (4, 3), (9, 8)] {
        let values = random.floats(rows * columns)
        let vectors = random.floats(count * columns).map { Double($0) / 3 }
        let expected = (0..<rows).flatMap { m in
          (0..<count).map { k in
            var lanes = [Double](repeating: 0, count: 8)
            let whole = columns / 8 * 8
            for n in 0..<whole { lanes[n % 8] += Double(values[m * columns + n]) * vectors[k * columns + n] }
            var total = lanes.reduce(0, +)
            for n in whole..<columns { total += Double(values[m * columns + n]) * vectors[k * columns + n] }
            return Float(total)
          }
        }
        for kernels in KernelSet.available {
          var found = [Float](repeating: 7, count: rows * count + 1)
          var span = found.mutableSpan
          try kernels.projectRows(
            of: values.span, rows: rows, columns: columns, on: vectors.span, count: count, into: &span)
          #expect(found.removeLast() == 7)
          #expect(difference(found, expected) == nil, "\(kernels.name), \(rows) x \(columns) on \(count), \(random)")
        }
      }
    }
  }

  @Test("Spans that are too short are refused", arguments: 0..<3)
  func tooShort(which: Int) throws {
    let values = [Float](repeating: 1, count: which == 0 ? 11 : 12)
    let vectors = [Double](repeating: 1, count: which == 1 ? 7 : 8)
    var products = [Float](repeating: 7, count: which == 2 ? 5 : 6)
    var span = products.mutableSpan
    #expect(throws: ShapeError.self) {
      try KernelSet.best.projectRows(of: values.span, rows: 3, columns: 4, on: vectors.span, count: 2, into: &span)
    }
    #expect(products.allSatisfy { $0 == 7 })
  }
}
