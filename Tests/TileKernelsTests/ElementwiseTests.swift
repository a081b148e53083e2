import Testing
import TileKernels

@Suite("Element by element in fp32")
struct ElementwiseTests {
  static let lengths = Array(0...70) + [127, 1000]

  @Test("Weight plus delta, every length at every alignment", arguments: ElementType.allCases)
  func sum(type: ElementType) throws {
    var random = SeededGenerator()
    for count in Self.lengths {
      let weights = random.bits(count, type)
      let delta = random.bits(count, .f32).map { Float(bitPattern: $0) }
      let expected = weights.indices.map { Reference.value(weights[$0], type) + delta[$0] }
      for offset in 0..<4 {
        let source = bytes(weights, type, offset: offset)
        let weight = source.span.bytes.extracting(offset..<source.count)
        for kernels in KernelSet.available {
          var sums = [Float](repeating: 7, count: count + 3)
          var span = sums.mutableSpan
          try kernels.sum(weight, as: type, with: delta.span, into: &span)
          #expect(difference(Array(sums[..<count]), expected) == nil, "\(kernels.name), \(count), \(random)")
          #expect(sums[count...] == [7, 7, 7])
        }
      }
    }
  }

  @Test("Scaling and plain addition")
  func scaleAndAdd() throws {
    var random = SeededGenerator()
    for count in Self.lengths {
      let values = random.bits(count, .f32).map { Float(bitPattern: $0) }
      let start = random.bits(count + 2, .f32).map { Float(bitPattern: $0) }
      let scaled = start.indices.map { $0 < count ? 0.3 * start[$0] : start[$0] }
      let added = start.indices.map { $0 < 1 || $0 > count ? start[$0] : start[$0] + values[$0 - 1] }
      for kernels in KernelSet.available {
        var delta = start
        var span = delta.mutableSpan
        try kernels.scale(&span, count: count, by: 0.3)
        #expect(difference(delta, scaled) == nil, "\(kernels.name), \(count), \(random)")
        delta = start
        span = delta.mutableSpan
        try kernels.addPlain(to: &span, at: 1, values: values.span)
        #expect(difference(delta, added) == nil, "\(kernels.name), \(count), \(random)")
      }
    }
  }

  @Test("Rounding in place", arguments: ElementType.allCases)
  func roundDelta(type: ElementType) throws {
    var random = SeededGenerator()
    for count in Self.lengths {
      for ordinary in [true, false] {
        let start =
          ordinary ? random.floats(count + 2) : random.bits(count + 2, .f32).map { Float(bitPattern: $0) }
        let expected = start.indices.map { i in
          i < count ? Reference.value(Reference.narrow(start[i].bitPattern, type), type) : start[i]
        }
        for kernels in KernelSet.available {
          var delta = start
          var span = delta.mutableSpan
          try kernels.roundDelta(&span, count: count, to: type)
          #expect(difference(delta, expected) == nil, "\(kernels.name), \(count), \(random)")
        }
      }
    }
  }

  @Test("Quotients")
  func divide() throws {
    var random = SeededGenerator()
    for count in [0, 1, 7, 33, 100] {
      let magnitudes = random.bits(count, .f32).map { Float(bitPattern: $0) } + [3, 0, -2]
      let norms = random.bits(count, .f32).map { Float(bitPattern: $0) } + [0, 0, .infinity]
      let expected = magnitudes.indices.map { magnitudes[$0] / norms[$0] }
      for kernels in KernelSet.available {
        var factors = [Float](repeating: 7, count: magnitudes.count + 1)
        var span = factors.mutableSpan
        try kernels.rescaling.divide(magnitudes.span, by: norms.span, into: &span)
        #expect(difference(factors, expected + [7]) == nil, "\(kernels.name), \(random)")
      }
    }
  }
}
