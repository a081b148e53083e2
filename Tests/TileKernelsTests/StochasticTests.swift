import Testing
import TileKernels

@Suite("Stochastic rounding")
struct StochasticTests {
  let stream = RandomStream(seed: 0x0123_4567_89ab_cdef, tensor: 0xfedc_ba98_7654_3210)

  func rounded(
    _ kernels: KernelSet, _ weights: [UInt32], _ type: ElementType, _ values: [Float], _ outputType: ElementType,
    areDeltas: Bool = true, first: UInt64 = 0, offset: Int = 0, stream: RandomStream? = nil
  ) throws -> (bits: [UInt32], overflows: UInt64) {
    let source = bytes(weights, type, offset: offset)
    let weight = source.span.bytes.extracting(offset..<source.count)
    let size = weights.count * outputType.byteCount
    var output = [UInt8](repeating: 0x5a, count: offset + size + 5)
    var span = output.mutableSpan
    var raw = span.mutableBytes
    var target = raw._mutatingExtracting(offset..<offset + size + 5)
    let overflows =
      areDeltas
      ? try kernels.stochastic.combine(
        weight, as: type, with: values.span, into: &target, as: outputType, stream: stream ?? self.stream,
        firstElement: first)
      : try kernels.stochastic.encode(
        values.span, for: weight, as: type, into: &target, as: outputType, stream: stream ?? self.stream,
        firstElement: first)
    let around = output[..<offset] + output[(offset + size)...]
    guard around.allSatisfy({ $0 == 0x5a }) else { throw KernelSet.WroteOutside() }
    return (elements(output[offset..<offset + size], outputType), overflows)
  }

  // kat_vectors of Random123 1.14.0.
  @Test("The generator's published values")
  func knownAnswers() throws {
    #expect(
      Reference.philox(counter: [0, 0, 0, 0], key: [0, 0]) == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    #expect(
      Reference.philox(counter: [.max, .max, .max, .max], key: [.max, .max])
        == [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
    #expect(
      Reference.philox(
        counter: [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], key: [0xa409_3822, 0x299f_31d0])
        == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
    for kernels in KernelSet.available {
      let zero = RandomStream(seed: 0, tensor: 0)
      let words = try kernels.stochastic.words(of: zero, from: 0, count: 4)
      #expect(words == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8], "\(kernels.name)")
    }
  }

  @Test("The words of any elements")
  func words() throws {
    for first in [0, 1, 2, 3, 61, 1 << 34 - 3, 1 << 63 + 5, UInt64.max - 300] as [UInt64] {
      let expected = (0..<200).map { Reference.word(of: stream, element: first + UInt64($0)) }
      for kernels in KernelSet.available {
        for count in [0, 1, 64, 200] {
          let found = try kernels.stochastic.words(of: stream, from: first, count: count)
          #expect(found == Array(expected[..<count]), "\(kernels.name), \(count) from \(first)")
        }
      }
    }
  }

  @Test("All kinds of numbers, lengths around those of a run", arguments: CombineTests.pairs, [true, false])
  func anyNumbers(types: (ElementType, ElementType), areDeltas: Bool) throws {
    let (type, outputType) = types
    var random = SeededGenerator()
    for count in Array(0...20) + [31, 62, 63, 64, 65, 66, 200] {
      let weights = random.bits(count, type)
      let values = (0..<count).map { i in
        // Deltas near the weight's own size, f16 subnormals, and anything.
        i % 3 == 0 ? random.floats(1)[0] * 0x1p-16 : Float(bitPattern: random.bits(1, .f32)[0])
      }
      let first = random.next() >> 8
      let expected = weights.indices.map { i -> (bits: UInt32, overflows: Bool) in
        let value = areDeltas ? Reference.value(weights[i], type) + values[i] : values[i]
        var result = Reference.encode(value, weights[i], type, outputType)
        if value.isFinite {
          let word = Reference.word(of: stream, element: first + UInt64(i))
          result.bits = Reference.narrowStochastically(value, outputType, word: word)
        }
        return result
      }
      for kernels in KernelSet.available {
        let found = try rounded(
          kernels, weights, type, values, outputType, areDeltas: areDeltas, first: first, offset: count % 4)
        #expect(difference(found.bits, expected.map(\.bits)) == nil, "\(kernels.name), \(count), \(random)")
        #expect(found.overflows == UInt64(expected.count { $0.overflows }), "\(kernels.name), \(random)")
      }
    }
  }

  @Test("Numbers that the type holds stay", arguments: [ElementType.f16, .bf16])
  func exact(type: ElementType) throws {
    let patterns = (0..<65_536).map { UInt32($0) }.filter { !Reference.isNaN(Reference.widen($0, type)) }
    let nothing = [Float](repeating: -0.0, count: patterns.count)
    for kernels in KernelSet.available {
      let found = try rounded(kernels, patterns, type, nothing, type)
      #expect(difference(found.bits, patterns) == nil, "\(kernels.name)")
      #expect(found.overflows == 0)
    }
  }

  @Test("Infinity only where rounding to nearest gives it", arguments: [ElementType.f16, .bf16])
  func overflow(type: ElementType) throws {
    let (greatest, first): (UInt32, UInt32) =
      type == .f16 ? (0x477f_e000, 0x477f_f000) : (0x7f7f_0000, 0x7f7f_8000)
    let largest = Reference.narrow(greatest, type)
    let infinity = Reference.narrow(0x7f80_0000, type)
    for kernels in KernelSet.available {
      for (bits, expected) in [(greatest + 1, largest), (first - 1, largest), (first, infinity)] {
        for sign in [0, 1] as [UInt32] {
          let weights = [UInt32](repeating: bits | sign << 31, count: 1000)
          let found = try rounded(kernels, weights, .f32, [Float](repeating: -0.0, count: 1000), type)
          #expect(found.bits.allSatisfy { $0 == expected | sign << 15 }, "\(kernels.name)")
          #expect(found.overflows == (expected == infinity ? 1000 : 0), "\(kernels.name)")
        }
      }
    }
  }

  // The number of roundings away from zero is binomial; 5 standard deviations, and the seed is fixed.
  @Test("The mean is the number", arguments: [ElementType.f16, .bf16], [1, -1] as [Float])
  func mean(type: ElementType, sign: Float) throws {
    let count = 100_000
    for value in [1.0001, 1.0017, 3.14159, 1e-3, 0x1.8p-15, 0x1.01p-20, 0x1.8p-26, 65_000.5] as [Float] {
      let x = sign * value
      let found = try rounded(
        .best, [UInt32](repeating: 0, count: count), .f32, [Float](repeating: x, count: count), type)
      let outputs = Set(found.bits).map { Double(Reference.value($0, type)) }.sorted()
      if outputs.count == 1 {
        #expect(Reference.value(found.bits[0], type) == x)
        continue
      }
      #expect(outputs.count == 2 && outputs[0] < Double(x) && Double(x) < outputs[1], "\(x)")
      let mean = found.bits.reduce(0) { $0 + Double(Reference.value($1, type)) } / Double(count)
      let step = outputs[1] - outputs[0]
      let fraction = (Double(x) - outputs[0]) / step
      let deviation = step * (fraction * (1 - fraction) / Double(count)).squareRoot()
      #expect(abs(mean - Double(x)) < 5 * deviation, "\(x)")
    }
  }

  @Test("Any division of a tensor gives the same; another seed, tensor or place does not")
  func division() throws {
    var random = SeededGenerator()
    let weights = random.floats(1000).map { Reference.narrow($0.bitPattern, .bf16) }
    let delta = random.floats(1000).map { $0 * 0.001 }
    for kernels in KernelSet.available {
      let whole = try rounded(kernels, weights, .bf16, delta, .bf16, first: 7).bits
      var parts: [UInt32] = []
      for part in [0..<1, 1..<2, 2..<66, 66..<69, 69..<500, 500..<1000] {
        parts += try rounded(
          kernels, Array(weights[part]), .bf16, Array(delta[part]), .bf16, first: 7 + UInt64(part.lowerBound)
        ).bits
      }
      #expect(parts == whole, "\(kernels.name), \(random)")
      let others = [
        try rounded(kernels, weights, .bf16, delta, .bf16, first: 8).bits,
        try rounded(
          kernels, weights, .bf16, delta, .bf16, first: 7, stream: RandomStream(seed: 1, tensor: stream.tensor)
        ).bits,
        try rounded(
          kernels, weights, .bf16, delta, .bf16, first: 7, stream: RandomStream(seed: stream.seed, tensor: 1)
        ).bits,
      ]
      for other in others { #expect(other != whole) }
    }
  }

  @Test("Values rounded to nearest", arguments: CombineTests.pairs)
  func encode(type: ElementType, outputType: ElementType) throws {
    var random = SeededGenerator()
    for count in [0, 1, 31, 32, 100] {
      let weights = random.bits(count, type)
      let values = random.bits(count, .f32).map { Float(bitPattern: $0) }
      let expected = weights.indices.map { Reference.encode(values[$0], weights[$0], type, outputType) }
      let source = bytes(weights, type)
      for kernels in KernelSet.available {
        var output = [UInt8](repeating: 0, count: count * outputType.byteCount)
        var span = output.mutableSpan
        var raw = span.mutableBytes
        let overflows = try kernels.encode(
          values.span, for: source.span.bytes, as: type, into: &raw, as: outputType)
        #expect(difference(elements(output[...], outputType), expected.map(\.bits)) == nil, "\(random)")
        #expect(overflows == UInt64(expected.count { $0.overflows }), "\(kernels.name), \(random)")
      }
    }
  }
}
