import Testing
import TileKernels

@Suite("Low-rank products merged in one pass")
struct MergeLowRankTests {
  /// Compares every variant with the plain reference, and with the three steps one after another.
  func check(
    rows: Int, columns: Int, rank: Int, scale: Float, left: [Float], right: [Float], weights: [UInt32],
    _ type: ElementType, _ outputType: ElementType, offset: Int = 0, outputOffset: Int = 0, _ comment: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var delta = [Float](repeating: -0.0, count: rows * columns)
    for m in 0..<rows {
      let row = Array(left[m * rank..<(m + 1) * rank])
      for n in 0..<columns {
        delta[m * columns + n] += Reference.product(row, (0..<rank).map { right[$0 * columns + n] }, scale: scale)
      }
    }
    let expected = weights.indices.map { Reference.combine(weights[$0], type, delta[$0], outputType) }
    let packed = try PackedRight(
      StridedFactor(rowMajor: .f32, rows: rank, columns: columns),
      in: bytes(right.map(\.bitPattern), .f32).span.bytes)
    for kernels in KernelSet.available {
      let comment: Comment = "\(kernels.name), \(rows) x \(columns), rank \(rank), \(type) to \(outputType), \(comment)"
      let found = try kernels.mergedLowRank(
        weights, type, left: left, right: packed, rows: rows, scale: scale, outputType, offset: offset,
        outputOffset: outputOffset)
      #expect(difference(found.bits, expected.map(\.bits)) == nil, comment, sourceLocation: sourceLocation)
      #expect(found.overflows == UInt64(expected.count { $0.overflows }), comment, sourceLocation: sourceLocation)

      var steps = [Float](repeating: 7, count: rows * columns)
      var span = steps.mutableSpan
      try KernelSet.clear(&span, count: rows * columns)
      try kernels.addLowRank(to: &span, left: left.span, right: packed, rows: rows, scale: scale)
      let composed = try kernels.combined(weights, type, steps, outputType)
      #expect(difference(found.bits, composed.bits) == nil, comment, sourceLocation: sourceLocation)
      #expect(found.overflows == composed.overflows, comment, sourceLocation: sourceLocation)
    }
  }

  func checkRandom(
    rows: Int, columns: Int, rank: Int, _ type: ElementType = .bf16, _ outputType: ElementType = .bf16,
    offset: Int = 0, outputOffset: Int = 0, random: inout SeededGenerator
  ) throws {
    let weights = random.floats(rows * columns).map { Reference.narrow($0.bitPattern, type) }
    try check(
      rows: rows, columns: columns, rank: rank, scale: 0.3, left: random.floats(rows * rank),
      right: random.floats(rank * columns), weights: weights, type, outputType, offset: offset,
      outputOffset: outputOffset, "\(random)")
  }

  @Test("Every number of rows and columns of a register block", arguments: 1...9)
  func blockShapes(rows: Int) throws {
    var random = SeededGenerator()
    for columns in 1...135 { try checkRandom(rows: rows, columns: columns, rank: 3, random: &random) }
  }

  @Test("Ranks to 70", arguments: 0...70)
  func smallRanks(rank: Int) throws {
    var random = SeededGenerator()
    for (rows, columns) in [(1, 1), (7, 33), (8, 31), (9, 50), (5, 81)] {
      try checkRandom(rows: rows, columns: columns, rank: rank, random: &random)
    }
  }

  // 64 or 256 is where products begin to be computed in steps over k.
  @Test("Large ranks", arguments: [63, 64, 65, 127, 128, 129, 192, 255, 256, 257, 511, 512, 513])
  func largeRanks(rank: Int) throws {
    var random = SeededGenerator()
    try checkRandom(rows: 9, columns: 150, rank: rank, random: &random)
    try checkRandom(rows: 2, columns: 97, rank: rank, .f32, .f16, random: &random)
  }

  // 96 rows at a time.
  @Test("Many rows", arguments: [(95, 3), (96, 3), (97, 3), (101, 130)])
  func manyRows(rows: Int, rank: Int) throws {
    var random = SeededGenerator()
    try checkRandom(rows: rows, columns: 18, rank: rank, random: &random)
  }

  @Test("More columns than share the cache")
  func manyColumns() throws {
    var random = SeededGenerator()
    for (columns, rank) in [(33_000, 1), (8300, 7), (7400, 8), (1000, 9), (300, 33)] {
      try checkRandom(rows: 5, columns: columns, rank: rank, random: &random)
    }
  }

  @Test("Every pair of types", arguments: CombineTests.pairs)
  func types(type: ElementType, outputType: ElementType) throws {
    var random = SeededGenerator()
    for columns in [1, 15, 16, 17, 31, 32, 33, 48, 64, 70] {
      for rows in [1, 5, 8] {
        try checkRandom(rows: rows, columns: columns, rank: 4, type, outputType, random: &random)
      }
    }
  }

  @Test("Odd addresses", arguments: CombineTests.pairs)
  func alignment(type: ElementType, outputType: ElementType) throws {
    var random = SeededGenerator()
    for offset in 0..<4 {
      for outputOffset in 0..<4 {
        try checkRandom(
          rows: 7, columns: 101, rank: 2, type, outputType, offset: offset, outputOffset: outputOffset, random: &random)
      }
    }
  }

  @Test("Numbers of every size: infinity, NaN, subnormals, overflow", arguments: CombineTests.pairs)
  func everyMagnitude(type: ElementType, outputType: ElementType) throws {
    var random = SeededGenerator()
    let numbers = { (random: inout SeededGenerator, count: Int) in
      random.bits(count, .f32).map { Float(bitPattern: $0) }
    }
    for _ in 0..<4 {
      try check(
        rows: 7, columns: 101, rank: 2, scale: numbers(&random, 1)[0], left: numbers(&random, 14),
        right: numbers(&random, 202), weights: random.bits(7 * 101, type), type, outputType, "\(random)")
      try check(
        rows: 7, columns: 101, rank: 2, scale: 1, left: random.floats(14), right: random.floats(202),
        weights: random.bits(7 * 101, type), type, outputType, "\(random)")
    }
  }

  @Test("One special number at every place among ordinary ones, and in the last step over k", arguments: [2, 300])
  func oneSpecial(rank: Int) throws {
    var random = SeededGenerator()
    let (rows, columns) = (5, 80)
    let ordinary = random.floats(rows * columns).map { Reference.narrow($0.bitPattern, .bf16) }
    let (left, right) = (random.floats(rows * rank), random.floats(rank * columns))
    for place in stride(from: 0, to: rows * columns, by: rank > 9 ? 37 : 1) {
      var weights = ordinary
      weights[place] = [0x7f80, 0xff81, 0x7fc1, 0x7f7f][place % 4]
      try check(
        rows: rows, columns: columns, rank: rank, scale: 0.1, left: left, right: right, weights: weights, .bf16, .bf16,
        "\(place), \(random)")
    }
  }

  @Test("One subnormal or zero result at every place among ordinary ones", arguments: [2, 9])
  func oneSubnormal(rank: Int) throws {
    var random = SeededGenerator()
    let (rows, columns) = (5, 80)
    let ordinary = random.floats(rows * columns).map { Reference.narrow($0.bitPattern, .bf16) }
    let (left, right) = ([Float](repeating: 0, count: rows * rank), random.floats(rank * columns))
    for place in 0..<rows * columns {
      var weights = ordinary
      weights[place] = [0x0001, 0x807f, 0x0000, 0x8000][place % 4]
      try check(
        rows: rows, columns: columns, rank: rank, scale: 1, left: left, right: right, weights: weights, .bf16, .bf16,
        "\(place), \(random)")
    }
  }

  @Test("Sums just below the least normal number, which round up to it or do not")
  func leastNormal() throws {
    let sums: [UInt32] = [0x007f_7fff, 0x007f_8000, 0x007f_8001, 0x007f_ffff, 0x0080_0000, 0x807f_8000, 0x807f_ffff]
    for sum in sums {
      var left = [Float](repeating: 0, count: 8)
      left[5] = Float(bitPattern: sum)
      try check(
        rows: 8, columns: 64, rank: 1, scale: 1, left: left, right: [Float](repeating: 1, count: 64),
        weights: (0..<8 * 64).map { $0 / 64 == 5 ? 0 : 0x3f80 }, .bf16, .bf16, "\(sum)")
    }
  }

  @Test("A product of zero keeps the sign of a zero as the steps do", arguments: [1, -1] as [Float])
  func zeros(scale: Float) throws {
    for left: Float in [0, -0.0] {
      try check(
        rows: 1, columns: 97, rank: 1, scale: scale, left: [left], right: [Float](repeating: 1, count: 97),
        weights: (0..<97).map { $0 % 2 == 0 ? 0x8000 : 0 }, .bf16, .bf16, "")
    }
  }
}

extension KernelSet {
  /// Like ``combined(_:_:_:_:offset:outputOffset:)``, the delta being a product.
  func mergedLowRank(
    _ weights: [UInt32], _ type: ElementType, left: [Float], right: PackedRight, rows: Int, scale: Float,
    _ outputType: ElementType, offset: Int = 0, outputOffset: Int = 0
  ) throws -> (bits: [UInt32], overflows: UInt64) {
    let source = bytes(weights, type, offset: offset)
    let size = weights.count * outputType.byteCount
    let margin = 70
    var output = [UInt8](repeating: 0x5a, count: outputOffset + size + margin)
    var span = output.mutableSpan
    var raw = span.mutableBytes
    var target = raw._mutatingExtracting(outputOffset..<outputOffset + size + margin)
    let overflows = try mergeLowRank(
      source.span.bytes.extracting(offset..<source.count), as: type, left: left.span, right: right, rows: rows,
      scale: scale, into: &target, as: outputType)
    let around = output[..<outputOffset] + output[(outputOffset + size)...]
    guard around.allSatisfy({ $0 == 0x5a }) else { throw WroteOutside() }
    return (elements(output[outputOffset..<outputOffset + size], outputType), overflows)
  }
}
