import Testing
import TileKernels

@Suite("Weights through codes of half a byte")
struct NibbleTests {
  private static let numbers: [Float] = (0..<16).map { Float($0) / 8 - 1 }
  private static let bounds: [Float] = zip(numbers, numbers.dropFirst()).map { ($0 + $1) / 2 }

  @Test("Magnitudes, codes and numbers of every length, in every variant")
  func plain() throws {
    var random = SeededGenerator()
    for count in 0...100 {
      let values = random.bits(count, .f32).map { Float(bitPattern: $0) }
      for block in [2, 32, 64] {
        let blocks = (count + block - 1) / block
        let magnitudes = (0..<blocks).map { number in
          values[number * block..<min((number + 1) * block, count)].filter(\.isFinite).map { abs($0) }.max() ?? 0
        }
        let scales = magnitudes.map { $0 / 2 }
        var expected = values
        var codes: [UInt8] = []
        for (index, value) in values.enumerated() {
          let scaled = value * (1 / max(magnitudes[index / block], 1e-38))
          let code = Self.bounds.count { $0 < scaled }
          codes.append(UInt8(code))
          if value.isFinite { expected[index] = Self.numbers[code] * scales[index / block] }
        }
        for kernels in KernelSet.available {
          var found = [Float](repeating: -1, count: blocks)
          var span = found.mutableSpan
          try kernels.quantizing.blockMagnitudes(values.span, count: count, block: block, into: &span)
          #expect(found == magnitudes, "\(kernels.name), \(count), \(block), \(random)")
          for hasCodes in [true, false] {
            var decoded = values
            var coded = [UInt8](repeating: 0xA5, count: hasCodes ? count : 0)
            var decodedSpan = decoded.mutableSpan
            var codedSpan = coded.mutableSpan
            try kernels.quantizing.nf4RoundTrip(
              &decodedSpan, count: count, block: block, bounds: Self.bounds.span, numbers: Self.numbers.span,
              magnitudes: magnitudes.span, scales: scales.span, codes: &codedSpan)
            #expect(
              decoded.map(\.bitPattern) == expected.map(\.bitPattern), "\(kernels.name), \(count), \(block), \(random)")
            #expect(coded == (hasCodes ? codes : []), "\(kernels.name), \(count), \(block), \(random)")
          }
        }
      }
    }
  }

  @Test("Buffers that are too short are refused")
  func refusesSizes() {
    let values = [Float](repeating: 1, count: 10)
    var magnitudes = [Float](repeating: 0, count: 2)
    var isRefused = false
    var span = magnitudes.mutableSpan
    do throws(ShapeError) {
      try KernelSet.best.quantizing.blockMagnitudes(values.span, count: 10, block: 4, into: &span)
    } catch { isRefused = true }
    #expect(isRefused)
  }
}
