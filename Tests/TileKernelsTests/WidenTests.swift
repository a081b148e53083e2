import Testing
import TileKernels

@Suite("Widening to fp32")
struct WidenTests {
  @Test("Every 16-bit pattern, in every variant", arguments: [ElementType.f16, .bf16])
  func everyPattern(type: ElementType) throws {
    let patterns = (0..<65_536).map { UInt32($0) }
    let expected = patterns.map { Reference.widen($0, type) }
    for kernels in KernelSet.available {
      let found = try kernels.widened(bytes(patterns, type), type, count: patterns.count)
      #expect(difference(found, expected) == nil, "\(kernels.name)")
    }
  }

  @Test("Every length to 70 at every alignment", arguments: ElementType.allCases)
  func tailsAndAlignment(type: ElementType) throws {
    var random = SeededGenerator()
    for count in 0...70 {
      let values = random.bits(count, type)
      let expected = values.map { Reference.widen($0, type) }
      for offset in 0..<4 {
        let source = bytes(values, type, offset: offset)
        for kernels in KernelSet.available {
          let found = try kernels.widened(source, from: offset, type, count: count)
          #expect(difference(found, expected) == nil, "\(kernels.name), \(count) at \(offset), \(random)")
        }
      }
    }
  }

  @Test("Elements after the last are left alone")
  func leavesTheRest() throws {
    for kernels in KernelSet.available {
      for count in 0...40 {
        var result = [Float](repeating: 7, count: count + 40)
        var span = result.mutableSpan
        let source = [UInt8](repeating: 0, count: 2 * count)
        #expect(try kernels.widen(source.span.bytes, as: .bf16, into: &span) == count)
        #expect(result.firstIndex(of: 7) == count, "\(kernels.name)")
        #expect(result[count...].allSatisfy { $0 == 7 }, "\(kernels.name)")
      }
    }
  }
}
