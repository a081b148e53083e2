import Foundation
import Testing
import TileKernels

@Suite("The caller's floating-point environment")
struct FloatingPointEnvironmentTests {
  /// Runs `body` rounding towards zero and with subnormals flushed, and returns whether that was still so after it.
  func inHostileEnvironment(_ body: () throws -> Void) rethrows -> Bool {
    var saved = fenv_t()
    fegetenv(&saved)
    defer { fesetenv(&saved) }
    var hostile = saved
    #if arch(x86_64)
    hostile.__mxcsr |= 0xe040
    #elseif arch(arm64)
    hostile.__fpcr |= 0x01c0_0000
    #endif
    fesetenv(&hostile)
    try body()
    var after = fenv_t()
    fegetenv(&after)
    #if arch(x86_64)
    return after.__mxcsr & 0xffc0 == hostile.__mxcsr & 0xffc0
    #elseif arch(arm64)
    return after.__fpcr == hostile.__fpcr
    #endif
  }

  @Test("Changes no result, and is left as it was", arguments: KernelSet.available.map(\.name))
  func changesNothing(name: String) throws {
    var random = SeededGenerator()
    let kernels = try KernelSet.named(name)
    let factors = random.floats(168).map { $0 * 0x1p-64 }
    let left = Array(factors[..<8])
    let right = bytes(factors[8...].map(\.bitPattern), .f32)
    let factor = try StridedFactor(rowMajor: .f32, rows: 4, columns: 40)
    let values = random.floats(80).map { $0 * 0x1p-127 }
    let weights = random.bits(80, .f16)
    let weightBytes = bytes(weights, .f16)
    let addends = random.floats(80).map { $0 * 0x1p-13 }

    func run() throws -> [[UInt32]] {
      let packed = try PackedRight(factor, in: right.span.bytes, kernels: kernels)
      var delta = [Float](repeating: -0.0, count: 80)
      var span = delta.mutableSpan
      try kernels.addLowRank(to: &span, left: left.span, right: packed, rows: 2, scale: 0.3)
      try kernels.addScaled(to: &span, values: values.span, scale: 0.7)
      let output = try kernels.combined(weights, .f16, addends, .f16).bits
      let sums = try kernels.combined(weights, .f16, values, .f32).bits
      let widened = try kernels.widened(weightBytes, .f16, count: 80)
      return [delta.map(\.bitPattern), output, sums, widened]
    }
    let expected = try run()
    #expect(expected[0].contains { Float(bitPattern: $0).isSubnormal }, "no test without subnormals, \(random)")
    var found: [[UInt32]] = []
    let isRestored = try inHostileEnvironment { found = try run() }
    #expect(isRestored)
    for (index, what) in ["delta", "f16 output", "f32 output", "widened"].enumerated() {
      #expect(difference(found[index], expected[index]) == nil, "\(what), \(random)")
    }
  }
}
