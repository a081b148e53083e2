import Testing
import TileKernels

@Suite("Packing factors")
struct PackingTests {
  struct Layout: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// Row stride, column stride and element offset of a factor of that shape.
    let strides: @Sendable (_ rows: Int, _ columns: Int) -> (row: Int, column: Int, offset: Int)
  }

  static let layouts: [Layout] = [
    Layout(testDescription: "row-major") { _, columns in (columns, 1, 0) },
    Layout(testDescription: "transposed") { rows, _ in (1, rows, 0) },
    Layout(testDescription: "slice of rows") { _, columns in (columns + 5, 1, 3) },
    Layout(testDescription: "slice of columns, transposed") { rows, _ in (1, rows + 2, 7) },
    Layout(testDescription: "both strides") { _, columns in (3 * columns + 1, 3, 2) },
    Layout(testDescription: "both strides, transposed") { rows, _ in (2, 2 * rows + 3, 1) },
    Layout(testDescription: "one row repeated") { _, _ in (0, 1, 1) },
    Layout(testDescription: "one element repeated") { _, _ in (0, 0, 4) },
    Layout(testDescription: "both strides 1") { _, _ in (1, 1, 0) },
  ]

  static let shapes = [(1, 1), (1, 40), (40, 1), (3, 17), (17, 3), (16, 16), (8, 70), (70, 8), (5, 300), (300, 21)]

  /// A factor of random numbers, its bytes (`alignment` bytes after an aligned address), and what it holds.
  func makeFactor(
    _ layout: Layout, _ type: ElementType, rows: Int, columns: Int, _ random: inout SeededGenerator
  ) throws -> (factor: StridedFactor, stored: [UInt32], element: (Int, Int) -> UInt32) {
    let (row, column, offset) = layout.strides(rows, columns)
    let factor = try StridedFactor(
      elementType: type, rows: rows, columns: columns, elementOffset: offset, rowStride: row, columnStride: column)
    #expect(factor.neededByteCount == (offset + (rows - 1) * row + (columns - 1) * column + 1) * type.byteCount)
    let stored = random.bits(factor.neededByteCount / type.byteCount, type)
    return (factor, stored, { Reference.widen(stored[offset + $0 * row + $1 * column], type) })
  }

  @Test("The right factor", arguments: layouts, ElementType.allCases)
  func right(layout: Layout, type: ElementType) throws {
    var random = SeededGenerator()
    for (rank, columns) in Self.shapes {
      let (factor, stored, element) = try makeFactor(layout, type, rows: rank, columns: columns, &random)
      let panels = PackedRight.panelCount(columns: columns)
      let expected = (0..<panels * rank * 16).map { index in
        let (k, n) = (index / 16 % rank, index / (16 * rank) * 16 + index % 16)
        return n < columns ? element(k, n) : 0
      }
      for (index, kernels) in KernelSet.available.enumerated() {
        let offset = (rank + index) % 4
        let source = bytes(stored, type, offset: offset)
        let packed = try PackedRight(
          factor, in: source.span.bytes.extracting(offset..<source.count), kernels: kernels)
        #expect(
          difference(packed.elements.map(\.bitPattern), expected) == nil,
          "\(kernels.name), \(rank) x \(columns), \(random)")
        #expect(packed.byteCount == 4 * expected.count)
        #expect(packed.byteCount == (try PackedRight.byteCount(columns: columns, rank: rank)))
        #expect(packed.columns == 0..<columns)
        #expect(packed.rank == rank)
      }
    }
  }

  @Test("The left factor", arguments: layouts, ElementType.allCases)
  func left(layout: Layout, type: ElementType) throws {
    var random = SeededGenerator()
    for (rows, rank) in Self.shapes {
      let (factor, stored, element) = try makeFactor(layout, type, rows: rows, columns: rank, &random)
      let expected = (0..<rows * rank).map { element($0 / rank, $0 % rank) }
      for (index, kernels) in KernelSet.available.enumerated() {
        let offset = (rank + index) % 4
        let source = bytes(stored, type, offset: offset)
        var packed = [Float](repeating: 7, count: rows * rank + 20)
        var span = packed.mutableSpan
        try kernels.packLeft(factor, in: source.span.bytes.extracting(offset..<source.count), into: &span)
        #expect(
          difference(packed.prefix(rows * rank).map(\.bitPattern), expected) == nil,
          "\(kernels.name), \(rows) x \(rank), \(random)")
        #expect(packed.suffix(20).allSatisfy { $0 == 7 }, "\(kernels.name)")
      }
    }
  }

  @Test("Infinity and NaN in the right factor stay in their column")
  func nonFiniteRight() throws {
    let factor = try StridedFactor(rowMajor: .f16, rows: 1, columns: 35)
    var values = [UInt32](repeating: 0x3c00, count: 35)
    values[16] = 0xfc00
    values[33] = 0x7e00
    let packed = try PackedRight(factor, in: bytes(values, .f16).span.bytes)
    for kernels in KernelSet.available {
      var found = [Float](repeating: -0.0, count: 35)
      var span = found.mutableSpan
      try kernels.addLowRank(to: &span, left: [2].span, right: packed, rows: 1, scale: 1)
      var expected = [Float](repeating: 2, count: 35)
      expected[16] = -.infinity
      expected[33] = .nan
      #expect(difference(found, expected) == nil, "\(kernels.name)")
    }
  }

  @Test("Panels packed in parts add up to the whole", arguments: [1, 16, 17, 64, 75])
  func parts(columns: Int) throws {
    var random = SeededGenerator()
    let rank = 5
    let right = bytes(random.floats(rank * columns).map(\.bitPattern), .f32)
    let left = random.floats(3 * rank)
    for factor in [
      try StridedFactor(rowMajor: .f32, rows: rank, columns: columns),
      try StridedFactor(transposed: .f32, rows: rank, columns: columns),
    ] {
      for kernels in KernelSet.available {
        var whole = [Float](repeating: 1, count: 3 * columns)
        var wholeSpan = whole.mutableSpan
        try kernels.addLowRank(
          to: &wholeSpan, left: left.span, right: PackedRight(factor, in: right.span.bytes), rows: 3, scale: 2)
        var found = [Float](repeating: 1, count: 3 * columns)
        var span = found.mutableSpan
        let panels = PackedRight.panelCount(columns: columns)
        var covered = 0
        for first in stride(from: 0, to: panels, by: 2) {
          let part = try PackedRight(
            factor, in: right.span.bytes, panels: first..<min(first + 2, panels), kernels: kernels)
          #expect(part.columns.lowerBound == covered)
          #expect(part.factorColumns == columns)
          covered = part.columns.upperBound
          try kernels.addLowRank(to: &span, left: left.span, right: part, rows: 3, scale: 2)
        }
        #expect(covered == columns)
        #expect(difference(found, whole) == nil, "\(kernels.name), \(random)")
      }
    }
  }

  @Test("Rows of a factor")
  func rowsOfAFactor() throws {
    var random = SeededGenerator()
    let stored = random.bits(9 * 4, .bf16)
    for (factor, index) in [
      (try StridedFactor(rowMajor: .bf16, rows: 9, columns: 4), { (m: Int, k: Int) in m * 4 + k }),
      (try StridedFactor(transposed: .bf16, rows: 9, columns: 4), { (m: Int, k: Int) in k * 9 + m }),
    ] {
      var packed = [Float](repeating: 0, count: 12)
      var span = packed.mutableSpan
      try KernelSet.best.packLeft(factor.rows(5..<8), in: bytes(stored, .bf16).span.bytes, into: &span)
      let expected = (0..<12).map { Reference.widen(stored[index(5 + $0 / 4, $0 % 4)], .bf16) }
      #expect(difference(packed.map(\.bitPattern), expected) == nil, "\(random)")
    }
  }
}
