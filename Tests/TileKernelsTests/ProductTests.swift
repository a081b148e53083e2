import Testing
import TileKernels

@Suite("Products multiplied element by element, and rows of Kronecker products")
struct ProductTests {
  /// A product's factors.
  struct Factors {
    let rank: Int
    let left: [Float]
    let right: [Float]

    init(_ rows: Int, _ columns: Int, rank: Int, random: inout SeededGenerator) {
      (self.rank, left, right) = (rank, random.floats(rows * rank), random.floats(rank * columns))
    }

    init(rank: Int, left: [Float], right: [Float]) { (self.rank, self.left, self.right) = (rank, left, right) }

    func packed() throws -> PackedRight {
      let columns = rank == 0 ? 0 : right.count / rank
      let factor = try StridedFactor(rowMajor: .f32, rows: rank, columns: columns)
      return try PackedRight(factor, in: bytes(right.map(\.bitPattern), .f32).span.bytes)
    }

    /// Their product, plainly.
    func product(_ rows: Int, _ columns: Int) -> [Float] {
      var result: [Float] = []
      for m in 0..<rows {
        let row = Array(left[m * rank..<(m + 1) * rank])
        for n in 0..<columns {
          result.append(Reference.product(row, (0..<rank).map { right[$0 * columns + n] }, scale: 1))
        }
      }
      return result
    }
  }

  /// What a product is multiplied by.
  enum Multiplier {
    case columns([Float])
    case product(Factors)
    /// The weight, after the scaling.
    case weight
  }

  /// Compares every variant with the plain arithmetic.
  func check(
    rows: Int, columns: Int, _ factors: Factors, by multiplier: Multiplier, scale: Float, weights: [UInt32],
    _ type: ElementType = .bf16, _ outputType: ElementType = .bf16, _ comment: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let sums = factors.product(rows, columns)
    let delta =
      switch multiplier {
      case .columns(let values): sums.indices.map { scale * (sums[$0] * values[$0 % columns]) }
      case .product(let other): zip(sums, other.product(rows, columns)).map { scale * ($0 * $1) }
      case .weight: zip(sums, weights).map { (scale * $0) * Float(bitPattern: Reference.widen($1, type)) }
      }
    let expected = weights.indices.map { Reference.combine(weights[$0], type, delta[$0], outputType) }
    let right = try factors.packed()
    for kernels in KernelSet.available {
      let comment: Comment =
        "\(kernels.name), \(rows) x \(columns), rank \(factors.rank), \(type) to \(outputType), \(comment)"
      let source = bytes(weights, type)
      let size = weights.count * outputType.byteCount
      var output = [UInt8](repeating: 0x5a, count: size + 70)
      var span = output.mutableSpan
      var target = span.mutableBytes
      let overflows =
        switch multiplier {
        case .columns(let values):
          try kernels.products.merge(
            source.span.bytes, as: type, left: factors.left.span, right: right, byColumns: values.span, rows: rows,
            scale: scale, into: &target, as: outputType)
        case .product(let other):
          try kernels.products.merge(
            source.span.bytes, as: type, left: factors.left.span, right: right, byProductOf: other.left.span,
            other.packed(), rows: rows, scale: scale, into: &target, as: outputType)
        case .weight:
          try kernels.products.mergeTimesWeight(
            source.span.bytes, as: type, left: factors.left.span, right: right, rows: rows, scale: scale, into: &target,
            as: outputType)
        }
      #expect(output[size...].allSatisfy { $0 == 0x5a }, comment, sourceLocation: sourceLocation)
      let found = elements(output[..<size], outputType)
      #expect(difference(found, expected.map(\.bits)) == nil, comment, sourceLocation: sourceLocation)
      #expect(overflows == UInt64(expected.count { $0.overflows }), comment, sourceLocation: sourceLocation)
    }
  }

  func checkRandom(
    rows: Int, columns: Int, ranks: (Int, Int), _ type: ElementType = .bf16, _ outputType: ElementType = .bf16,
    random: inout SeededGenerator
  ) throws {
    let weights = random.floats(rows * columns).map { Reference.narrow($0.bitPattern, type) }
    let factors = Factors(rows, columns, rank: ranks.0, random: &random)
    let other = Factors(rows, columns, rank: ranks.1, random: &random)
    for multiplier in [.product(other), .columns(random.floats(columns)), .weight] as [Multiplier] {
      try check(
        rows: rows, columns: columns, factors, by: multiplier, scale: 0.3, weights: weights, type, outputType,
        "by rank \(ranks.1), \(random)")
    }
  }

  @Test("Every number of rows and columns of a register block", arguments: 1...9)
  func blockShapes(rows: Int) throws {
    var random = SeededGenerator()
    for columns in 1...135 { try checkRandom(rows: rows, columns: columns, ranks: (3, 2), random: &random) }
  }

  // Above 8 blocks are higher; 64 or 256 is where products begin to be computed in steps over k.
  @Test(
    "Ranks that are cut differently",
    arguments: [
      (1, 1), (4, 4), (4, 5), (8, 1), (16, 16), (63, 64), (64, 65), (65, 3), (3, 130), (257, 256), (256, 257), (300, 2),
    ])
  func ranks(first: Int, second: Int) throws {
    var random = SeededGenerator()
    for (rows, columns) in [(1, 1), (7, 33), (9, 150), (98, 81)] {
      try checkRandom(rows: rows, columns: columns, ranks: (first, second), random: &random)
    }
  }

  @Test("More columns than are computed at once")
  func manyColumns() throws {
    var random = SeededGenerator()
    for (columns, ranks) in [(1300, (1, 1)), (1111, (16, 16)), (700, (9, 60))] {
      try checkRandom(rows: 6, columns: columns, ranks: ranks, random: &random)
    }
  }

  @Test("Every pair of types", arguments: CombineTests.pairs)
  func types(type: ElementType, outputType: ElementType) throws {
    var random = SeededGenerator()
    for columns in [1, 15, 16, 17, 64, 70] {
      try checkRandom(rows: 5, columns: columns, ranks: (4, 3), type, outputType, random: &random)
    }
  }

  @Test("Numbers of every size: infinity, NaN, subnormals, overflow", arguments: CombineTests.pairs)
  func everyMagnitude(type: ElementType, outputType: ElementType) throws {
    var random = SeededGenerator()
    func numbers(_ count: Int) -> [Float] { random.bits(count, .f32).map { Float(bitPattern: $0) } }
    let (rows, columns) = (7, 101)
    for _ in 0..<4 {
      let factors = Factors(rank: 2, left: numbers(2 * rows), right: numbers(2 * columns))
      let other = Factors(rank: 1, left: numbers(rows), right: numbers(columns))
      for multiplier in [.product(other), .columns(numbers(columns)), .weight] as [Multiplier] {
        try check(
          rows: rows, columns: columns, factors, by: multiplier, scale: numbers(1)[0],
          weights: random.bits(rows * columns, type), type, outputType, "\(random)")
      }
    }
  }

  @Test("A product takes the place of what was in a delta", arguments: [0, 1, 9, 70, 300])
  func setting(rank: Int) throws {
    var random = SeededGenerator()
    for (rows, columns) in [(1, 1), (5, 80), (7, 33), (98, 150)] {
      let factors = Factors(rows, columns, rank: rank, random: &random)
      let right = try PackedRight(
        StridedFactor(rowMajor: .f32, rows: rank, columns: columns),
        in: bytes(factors.right.map(\.bitPattern), .f32).span.bytes)
      let count = rows * columns
      for kernels in KernelSet.available {
        let comment: Comment = "\(kernels.name), \(rows) x \(columns), \(random)"
        var expected = [Float](repeating: 7, count: count + 5)
        var found = [Float](repeating: 7, count: count + 5)
        var span = expected.mutableSpan
        try KernelSet.clear(&span, from: 3, count: count)
        try kernels.addLowRank(to: &span, at: 3, left: factors.left.span, right: right, rows: rows, scale: -0.3)
        span = found.mutableSpan
        try kernels.products.set(&span, at: 3, left: factors.left.span, right: right, rows: rows, scale: -0.3)
        #expect(difference(found.map(\.bitPattern), expected.map(\.bitPattern)) == nil, comment)
      }
    }
  }

  @Test("Rows of Kronecker products", arguments: [1, 2, 3, 15, 16, 17, 31, 32, 64, 65, 200])
  func kroneckerRows(width: Int) throws {
    var random = SeededGenerator()
    let values = random.floats(width)
    for count in [0, 1, width, width + 1, 3 * width, 131, 1000] {
      let factors = random.floats((count + width - 1) / width)
      for kernels in KernelSet.available {
        for isRepeated in [false, true] {
          var expected = [Float](repeating: 7, count: count + 5)
          for i in 0..<count { expected[2 + i] = 0.3 * ((isRepeated ? 1 : factors[i / width]) * values[i % width]) }
          var found = [Float](repeating: 7, count: count + 5)
          var span = found.mutableSpan
          try kernels.products.setRow(
            &span, at: 2, count: count, factors: isRepeated ? nil : factors.span, values: values.span, scale: 0.3)
          #expect(difference(found, expected) == nil, "\(kernels.name), \(count), \(random)")
        }
      }
    }
  }
}
