import Testing
import TileKernels

@Suite("Adding a delta and rounding")
struct CombineTests {
  static let pairs = ElementType.allCases.flatMap { input in ElementType.allCases.map { (input, $0) } }

  /// Compares every variant with the reference.
  func check(
    _ weights: [UInt32], _ type: ElementType, _ delta: [Float], _ outputType: ElementType, offset: Int = 0,
    outputOffset: Int = 0, _ comment: String = "", sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let expected = weights.indices.map { Reference.combine(weights[$0], type, delta[$0], outputType) }
    let bits = expected.map(\.bits)
    let overflows = UInt64(expected.count { $0.overflows })
    for kernels in KernelSet.available {
      let found = try kernels.combined(
        weights, type, delta, outputType, offset: offset, outputOffset: outputOffset)
      #expect(difference(found.bits, bits) == nil, "\(kernels.name) \(comment)", sourceLocation: sourceLocation)
      #expect(found.overflows == overflows, "\(kernels.name) \(comment)", sourceLocation: sourceLocation)
    }
  }

  @Test("Every 16-bit pattern with nothing added", arguments: [ElementType.f16, .bf16], ElementType.allCases)
  func everyPattern(type: ElementType, outputType: ElementType) throws {
    let patterns = (0..<65_536).map { UInt32($0) }
    try check(patterns, type, [Float](repeating: -0.0, count: patterns.count), outputType)
  }

  @Test("Nothing added and the same type: the same bits, signalling NaN apart", arguments: ElementType.allCases)
  func identity(type: ElementType) throws {
    var random = SeededGenerator()
    let quietBit: UInt32 = type == .f32 ? 0x0040_0000 : type == .f16 ? 0x0200 : 0x0040
    let weights = random.bits(20_000, type)
    let expected = weights.map { Reference.isNaN(Reference.widen($0, type)) ? $0 | quietBit : $0 }
    let delta = [Float](repeating: -0.0, count: weights.count)
    for kernels in KernelSet.available {
      let found = try kernels.combined(weights, type, delta, type)
      #expect(difference(found.bits, expected) == nil, "\(kernels.name), \(random)")
      #expect(found.overflows == 0, "\(kernels.name), \(random)")
    }
  }

  @Test("Every length to 70, sums of all kinds of numbers", arguments: pairs)
  func lengths(type: ElementType, outputType: ElementType) throws {
    var random = SeededGenerator()
    for count in Array(0...70) + [127, 1000] {
      let delta = random.bits(count, .f32).map { Float(bitPattern: $0) }
      try check(random.bits(count, type), type, delta, outputType, "\(count), \(random)")
    }
  }

  // A group of ordinary numbers takes a shorter way than one with a NaN or an overflow in it.
  @Test("Ordinary numbers", arguments: pairs)
  func ordinaryNumbers(type: ElementType, outputType: ElementType) throws {
    var random = SeededGenerator()
    let weights = random.floats(3000).map { Reference.narrow($0.bitPattern, type) }
    try check(weights, type, random.floats(3000).map { $0 * 0.01 }, outputType, "\(random)")
  }

  @Test("One special number at every place among ordinary ones", arguments: pairs)
  func oneSpecial(type: ElementType, outputType: ElementType) throws {
    var random = SeededGenerator()
    let ordinary = random.floats(67).map { Reference.narrow($0.bitPattern, type) }
    for place in ordinary.indices {
      var weights = ordinary
      weights[place] = Reference.narrow([0x7f80_0000, 0xffc1_2345, 0x7f7f_ffff][place % 3], type)
      try check(weights, type, random.floats(67), outputType, "\(place), \(random)")
      var delta = random.floats(67)
      delta[place] = [.infinity, .nan, -.greatestFiniteMagnitude][place % 3]
      try check(ordinary, type, delta, outputType, "\(place), \(random)")
    }
  }

  @Test("Odd addresses", arguments: pairs)
  func alignment(type: ElementType, outputType: ElementType) throws {
    var random = SeededGenerator()
    for offset in 0..<4 {
      for outputOffset in 0..<4 {
        try check(
          random.bits(99, type), type, random.floats(99), outputType, offset: offset, outputOffset: outputOffset,
          "\(offset), \(outputOffset), \(random)")
      }
    }
  }

  @Test("Ties to bf16 and the numbers next to them, at every bf16")
  func tiesToBF16() throws {
    for low: UInt32 in [0x0001, 0x7fff, 0x8000, 0x8001] {
      let weights = (0..<65_536).map { UInt32($0) << 16 | low }
      try check(weights, .f32, [Float](repeating: -0.0, count: weights.count), .bf16)
    }
  }

  @Test("Ties to f16 and the numbers next to them, at every f16; the first overflow is 65520")
  func tiesToF16() throws {
    let positive = (0..<0x7c00).flatMap { pattern -> [UInt32] in
      let value = Float(bitPattern: Reference.widen(UInt32(pattern), .f16))
      let next = pattern == 0x7bff ? 65536 : Float(bitPattern: Reference.widen(UInt32(pattern) + 1, .f16))
      let tie = (value + next) / 2
      return [value.nextUp, tie.nextDown, tie, tie.nextUp].map(\.bitPattern)
    }
    let delta = [Float](repeating: -0.0, count: positive.count)
    try check(positive, .f32, delta, .f16)
    try check(positive.map { $0 | 0x8000_0000 }, .f32, delta, .f16)
  }

  @Test("The numbers around the first overflow", arguments: [(ElementType.f16, 0x477f_f000), (.bf16, 0x7f7f_8000)])
  func overflowBoundary(type: ElementType, first: Int) throws {
    let weights = (first - 32..<first + 32).map { UInt32($0) }
    for kernels in KernelSet.available {
      let found = try kernels.combined(weights, .f32, [Float](repeating: -0.0, count: 64), type)
      #expect(found.overflows == 32, "\(kernels.name)")
      let infinity = Reference.narrow(0x7f80_0000, type)
      #expect(found.bits.firstIndex(of: infinity) == 32, "\(kernels.name)")
    }
  }

  struct NaNCase: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let weight: UInt32
    let type: ElementType
    let delta: Float
    let outputType: ElementType
    let output: UInt32
    var overflows: UInt64 = 0
  }

  // In numbers, not through the reference.
  static let nanCases: [NaNCase] = [
    .init(
      testDescription: "f32 keeps its payload and sign", weight: 0xffc1_2345, type: .f32, delta: 1,
      outputType: .f32, output: 0xffc1_2345),
    .init(
      testDescription: "f32 signalling becomes quiet", weight: 0x7f80_0001, type: .f32, delta: 1, outputType: .f32,
      output: 0x7fc0_0001),
    .init(
      testDescription: "the weight's payload wins over the delta's", weight: 0x7fc0_0001, type: .f32,
      delta: Float(bitPattern: 0xffc7_7777), outputType: .f32, output: 0x7fc0_0001),
    .init(
      testDescription: "f32 to f16 keeps the upper payload", weight: 0xffa1_2345, type: .f32, delta: 0,
      outputType: .f16, output: 0xff09),
    .init(
      testDescription: "f32 to bf16 cuts, without rounding up", weight: 0x7fbf_ffff, type: .f32, delta: 0,
      outputType: .bf16, output: 0x7fff),
    .init(
      testDescription: "a payload that is cut off leaves a NaN", weight: 0xff80_0001, type: .f32, delta: 0,
      outputType: .bf16, output: 0xffc0),
    .init(
      testDescription: "f16 signalling becomes quiet", weight: 0x7c01, type: .f16, delta: 0, outputType: .f16,
      output: 0x7e01),
    .init(
      testDescription: "f16 to f32 shifts the payload", weight: 0xfc01, type: .f16, delta: 0, outputType: .f32,
      output: 0xffc0_2000),
    .init(
      testDescription: "bf16 signalling becomes quiet", weight: 0x7f81, type: .bf16, delta: 0, outputType: .bf16,
      output: 0x7fc1),
    .init(
      testDescription: "a NaN delta is written canonically", weight: 0x3f80_0000, type: .f32,
      delta: Float(bitPattern: 0xffc7_7777), outputType: .f32, output: 0x7fc0_0000, overflows: 1),
    .init(
      testDescription: "a NaN delta to bf16", weight: 0x3f80, type: .bf16, delta: Float(bitPattern: 0xff87_7777),
      outputType: .bf16, output: 0x7fc0, overflows: 1),
    .init(
      testDescription: "infinity minus infinity to f16", weight: 0x7c00, type: .f16, delta: -.infinity,
      outputType: .f16, output: 0x7e00),
    .init(
      testDescription: "an infinite weight does not count", weight: 0xff80, type: .bf16, delta: 1, outputType: .bf16,
      output: 0xff80),
    .init(
      testDescription: "an infinite delta counts", weight: 0, type: .bf16, delta: -.infinity, outputType: .f16,
      output: 0xfc00, overflows: 1),
    .init(
      testDescription: "fp32 sums overflow too", weight: 0x7f7f_ffff, type: .f32, delta: 1e38, outputType: .f32,
      output: 0x7f80_0000, overflows: 1),
  ]

  @Test("NaN and infinity", arguments: nanCases)
  func nonFinite(_ example: NaNCase) throws {
    for kernels in KernelSet.available {
      for count in [1, 100] {
        let found = try kernels.combined(
          [UInt32](repeating: example.weight, count: count), example.type,
          [Float](repeating: example.delta, count: count), example.outputType)
        #expect(
          difference(found.bits, [UInt32](repeating: example.output, count: count)) == nil, "\(kernels.name)")
        #expect(found.overflows == example.overflows * UInt64(count), "\(kernels.name)")
      }
    }
  }

  @Test("A worker's byte array as output")
  func byteArray() throws {
    let delta: [Float] = [1, 2, 3]
    let weights = bytes([0x3f80, 0x4000, 0xc000], .bf16)
    var output = [UInt8](repeating: 9, count: 13)
    var span = output.mutableSpan
    let overflows = try KernelSet.best.combine(
      weights.span.bytes, as: .bf16, with: delta.span, into: &span, as: .f32)
    #expect(overflows == 0)
    #expect(output == [0, 0, 0, 0x40, 0, 0, 0x80, 0x40, 0, 0, 0x80, 0x3f, 9])
  }
}
