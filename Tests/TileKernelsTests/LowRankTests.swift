import Testing
import TileKernels

@Suite("Low-rank products")
struct LowRankTests {
  /// Compares every variant with the reference for one shape.
  func check(
    rows: Int, columns: Int, rank: Int, scale: Float, left: [Float], right: [Float], start: [Float],
    offset: Int = 0, rowStride: Int? = nil, _ comment: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let stride = rowStride ?? columns
    var expected = start
    for m in 0..<rows {
      let row = Array(left[m * rank..<(m + 1) * rank])
      for n in 0..<columns {
        let column = (0..<rank).map { right[$0 * columns + n] }
        expected[offset + m * stride + n] += Reference.product(row, column, scale: scale)
      }
    }
    let packed = try PackedRight(
      StridedFactor(rowMajor: .f32, rows: rank, columns: columns),
      in: bytes(right.map(\.bitPattern), .f32).span.bytes)
    for kernels in KernelSet.available {
      var found = start
      var span = found.mutableSpan
      try kernels.addLowRank(
        to: &span, at: offset, rowStride: rowStride, left: left.span, right: packed, rows: rows, scale: scale)
      #expect(
        difference(found, expected) == nil, "\(kernels.name), \(rows) x \(columns), rank \(rank), \(comment)",
        sourceLocation: sourceLocation)
    }
  }

  func checkRandom(rows: Int, columns: Int, rank: Int, _ random: inout SeededGenerator) throws {
    try check(
      rows: rows, columns: columns, rank: rank, scale: 0.3, left: random.floats(rows * rank),
      right: random.floats(rank * columns), start: random.floats(rows * columns), "\(random)")
  }

  @Test("Every number of rows and columns of a register block", arguments: 1...9)
  func blockShapes(rows: Int) throws {
    var random = SeededGenerator()
    for columns in 1...135 { try checkRandom(rows: rows, columns: columns, rank: 3, &random) }
  }

  // 128 or 256 is where products begin to be computed in steps over k.
  @Test("Ranks", arguments: Array(1...70) + [127, 128, 129, 192, 200, 255, 256, 257, 300, 511, 512, 513])
  func ranks(rank: Int) throws {
    var random = SeededGenerator()
    for (rows, columns) in [(1, 1), (5, 16), (7, 33), (8, 31), (9, 50), (5, 81)] {
      try checkRandom(rows: rows, columns: columns, rank: rank, &random)
    }
  }

  // 96 rows at a time.
  @Test("Many rows", arguments: [(95, 3), (96, 3), (97, 3), (53, 130), (101, 270)])
  func manyRows(rows: Int, rank: Int) throws {
    var random = SeededGenerator()
    try checkRandom(rows: rows, columns: 18, rank: rank, &random)
  }

  @Test("Numbers of every size: infinity, NaN, subnormals, overflow")
  func everyMagnitude() throws {
    var random = SeededGenerator()
    for _ in 0..<40 {
      let numbers = { (random: inout SeededGenerator, count: Int) in
        random.bits(count, .f32).map { Float(bitPattern: $0) }
      }
      try check(
        rows: 7, columns: 37, rank: 2, scale: numbers(&random, 1)[0], left: numbers(&random, 14),
        right: numbers(&random, 74), start: numbers(&random, 7 * 37), "\(random)")
    }
    // Subnormal products, sums and results.
    for scale: Float in [1, 0x1p-100, 0x1p100] {
      try check(
        rows: 7, columns: 37, rank: 4, scale: scale, left: random.floats(28).map { $0 * 0x1p-70 },
        right: random.floats(4 * 37).map { $0 * 0x1p-70 }, start: random.floats(7 * 37).map { $0 * 0x1p-130 },
        "\(random)")
    }
  }

  @Test("Steps are fused, in the order of k")
  func fusedInOrder() throws {
    // Unfused, the square of 1 + 2^-23 would round to 1 + 2^-22 and the difference vanish.
    let root: Float = 1 + .ulpOfOne
    let chains: [(left: [Float], right: [Float], sum: Float)] = [
      ([-1, root], [1 + 2 * .ulpOfOne, root], 0x1p-46),
      // In another order the large numbers would cancel first.
      ([1, 0x1p30, -0x1p30], [1, 1, 1], 0),
      ([0x1p30, -0x1p30, 1], [1, 1, 1], 1),
    ]
    for (left, right, sum) in chains {
      for kernels in KernelSet.available {
        let packed = try PackedRight(
          StridedFactor(elementType: .f32, rows: right.count, columns: 33, rowStride: 1, columnStride: 0),
          in: bytes(right.map(\.bitPattern), .f32).span.bytes)
        var found = [Float](repeating: -0.0, count: 33)
        var span = found.mutableSpan
        try kernels.addLowRank(to: &span, left: left.span, right: packed, rows: 1, scale: 1)
        #expect(found == [Float](repeating: sum, count: 33), "\(kernels.name)")
      }
    }
  }

  @Test("The scale is applied once, after the sum, and not fused into the addition")
  func scaleRounds() throws {
    // scale * sum rounds to 1 + 2^-22; fused with the -1 that is there, 2^-46 would remain besides.
    let root: Float = 1 + .ulpOfOne
    let packed = try PackedRight(
      StridedFactor(rowMajor: .f32, rows: 1, columns: 1), in: bytes([root.bitPattern], .f32).span.bytes)
    for kernels in KernelSet.available {
      var found: [Float] = [-1]
      var span = found.mutableSpan
      try kernels.addLowRank(to: &span, left: [1].span, right: packed, rows: 1, scale: root)
      #expect(found == [2 * .ulpOfOne], "\(kernels.name)")
    }
  }

  @Test("A cleared tile takes the first update as it is, with the sign of its zeros")
  func clearedTile() throws {
    let factors: [(left: Float, right: Float, scale: Float)] = [
      (0, 1, 1), (0, 1, -1), (-0.0, 1, 1), (1, 2, -3), (0x1p-100, 0x1p-48, -1), (0x1p-100, 0x1p-60, -1),
    ]
    for (left, right, scale) in factors {
      let packed = try PackedRight(
        StridedFactor(rowMajor: .f32, rows: 1, columns: 1), in: bytes([right.bitPattern], .f32).span.bytes)
      for kernels in KernelSet.available {
        var found: [Float] = [5, 5]
        var span = found.mutableSpan
        try KernelSet.clear(&span, count: 1)
        try kernels.addLowRank(to: &span, left: [left].span, right: packed, rows: 1, scale: scale)
        let expected = Reference.product([left], [right], scale: scale)
        #expect(found.map(\.bitPattern) == [expected.bitPattern, Float(5).bitPattern], "\(kernels.name)")
      }
    }
  }

  @Test("Two updates in one tile are added in order")
  func twoUpdates() throws {
    var random = SeededGenerator()
    let (rows, columns) = (7, 40)
    var expected = [Float](repeating: -0.0, count: rows * columns)
    var founds = KernelSet.available.map { _ in expected }
    for (rank, scale) in [(4, 0.7), (9, -1.3), (2, 1e-3)] as [(Int, Float)] {
      let left = random.floats(rows * rank)
      let right = random.floats(rank * columns)
      for m in 0..<rows {
        for n in 0..<columns {
          expected[m * columns + n] += Reference.product(
            Array(left[m * rank..<(m + 1) * rank]), (0..<rank).map { right[$0 * columns + n] }, scale: scale)
        }
      }
      let packed = try PackedRight(
        StridedFactor(rowMajor: .f32, rows: rank, columns: columns),
        in: bytes(right.map(\.bitPattern), .f32).span.bytes)
      for (index, kernels) in KernelSet.available.enumerated() {
        var span = founds[index].mutableSpan
        try kernels.addLowRank(to: &span, left: left.span, right: packed, rows: rows, scale: scale)
      }
    }
    for (index, kernels) in KernelSet.available.enumerated() {
      #expect(difference(founds[index], expected) == nil, "\(kernels.name), \(random)")
    }
  }

  @Test("A part of a tile; the elements around it are left alone", arguments: [1, 15, 16, 17, 32, 45])
  func partOfATile(columns: Int) throws {
    var random = SeededGenerator()
    // A panel's zero padding would turn -0 into +0.
    try check(
      rows: 9, columns: columns, rank: 3, scale: 2, left: random.floats(27), right: random.floats(3 * columns),
      start: [Float](repeating: -0.0, count: 10 * 61 + 60), offset: 61 + 11, rowStride: 61, "\(random)")
  }

  @Test("Rank 0 adds 0 times the scale")
  func rankZero() throws {
    let packed = try PackedRight(
      StridedFactor(rowMajor: .f32, rows: 0, columns: 20), in: [UInt8]().span.bytes)
    for kernels in KernelSet.available {
      var found = [Float](repeating: -0.0, count: 40)
      var span = found.mutableSpan
      try kernels.addLowRank(to: &span, left: [Float]().span, right: packed, rows: 2, scale: 1)
      #expect(found.allSatisfy { $0.bitPattern == 0 }, "\(kernels.name)")
    }
  }

  @Test("Adding scaled values: lengths, two roundings, offset")
  func addScaled() throws {
    var random = SeededGenerator()
    for count in 0...70 {
      let values = random.floats(count)
      let start = random.floats(count + 25)
      var expected = start
      for i in 0..<count {
        let product = values[i] * 0.3
        expected[i + 3] += product
      }
      for kernels in KernelSet.available {
        var found = start
        var span = found.mutableSpan
        try kernels.addScaled(to: &span, at: 3, values: values.span, scale: 0.3)
        #expect(difference(found, expected) == nil, "\(kernels.name), \(count), \(random)")
      }
    }
  }
}
