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
    let columnFactors = random.floats(40)

    func run() throws -> [[UInt32]] {
      let packed = try PackedRight(factor, in: right.span.bytes, kernels: kernels)
      var delta = [Float](repeating: -0.0, count: 80)
      var span = delta.mutableSpan
      try kernels.addLowRank(to: &span, left: left.span, right: packed, rows: 2, scale: 0.3)
      try kernels.addScaled(to: &span, values: values.span, scale: 0.7)
      var products = [Float](repeating: 7, count: 80)
      span = products.mutableSpan
      try kernels.products.set(&span, left: left.span, right: packed, rows: 2, scale: 0.3)
      var row = [Float](repeating: 7, count: 80)
      span = row.mutableSpan
      try kernels.products.setRow(&span, count: 80, factors: nil, values: values.span, scale: 0.7)
      var merged = [UInt8](repeating: 7, count: 320)
      var mergedSpan = merged.mutableSpan
      var raw = mergedSpan.mutableBytes
      _ = try kernels.products.merge(
        bytes(values.map(\.bitPattern), .f32).span.bytes, as: .f32, left: left.span, right: packed,
        byColumns: columnFactors.span, rows: 2, scale: 0.3, into: &raw, as: .f32)
      let output = try kernels.combined(weights, .f16, addends, .f16).bits
      let sums = try kernels.combined(weights, .f16, values, .f32).bits
      let widened = try kernels.widened(weightBytes, .f16, count: 80)
      return [
        delta.map(\.bitPattern), output, sums, widened, products.map(\.bitPattern), row.map(\.bitPattern),
        elements(merged[...], .f32),
      ]
    }
    let expected = try run()
    #expect(expected[0].contains { Float(bitPattern: $0).isSubnormal }, "no test without subnormals, \(random)")
    var found: [[UInt32]] = []
    let isRestored = try inHostileEnvironment { found = try run() }
    #expect(isRestored)
    let names = ["delta", "f16 output", "f32 output", "widened", "product", "row", "merged product"]
    for (index, what) in names.enumerated() {
      #expect(difference(found[index], expected[index]) == nil, "\(what), \(random)")
    }
  }

  @Test("Changes no norm, factor or rounding either", arguments: KernelSet.available.map(\.name))
  func changesNoOtherOperation(name: String) throws {
    var random = SeededGenerator()
    let kernels = try KernelSet.named(name)
    let tiny = random.floats(99).map { $0 * 0x1p-64 }
    let values = random.floats(99).map { $0 * 0x1p-127 }
    let weights = bytes(random.floats(99).map { Reference.narrow(($0 * 0x1p-15).bitPattern, .f16) }, .f16)
    let stream = RandomStream(seed: random.seed, tensor: 0)

    func run() throws -> [[UInt32]] {
      let magnitudes = values.map(\.magnitude)
      // Each operation starts with what the one before left.
      var results: [[Float]] = []
      var result = values
      do {
        var span = result.mutableSpan
        try kernels.sum(weights.span.bytes, as: .f16, with: values.span, into: &span)
      }
      results.append(result)
      do {
        var span = result.mutableSpan
        try kernels.scale(&span, count: 99, by: 0.7)
      }
      results.append(result)
      do {
        var span = result.mutableSpan
        try kernels.addPlain(to: &span, values: tiny.span)
      }
      results.append(result)
      do {
        var span = result.mutableSpan
        try kernels.roundDelta(&span, count: 99, to: .bf16)
      }
      results.append(result)
      do {
        var span = result.mutableSpan
        try kernels.rescaling.divide(values.span, by: tiny.span, into: &span)
      }
      results.append(result)
      do {
        var span = result.mutableSpan
        try kernels.norms.rows(of: tiny.span, rows: 3, columns: 33, into: &span)
      }
      results.append(result)
      do {
        var span = result.mutableSpan
        try kernels.norms.torchRows(of: tiny.span, rows: 3, columns: 33, into: &span)
      }
      results.append(result)
      do {
        var span = result.mutableSpan
        try kernels.norms.torchAddColumnSquares(of: tiny.span, rows: 3, columns: 33, to: &span)
      }
      results.append(result)
      do {
        var span = result.mutableSpan
        try kernels.norms.torchColumns(fromSquares: magnitudes.span, into: &span)
      }
      results.append(result)
      var squares = [Double](repeating: 0, count: 33)
      do {
        var squareSpan = squares.mutableSpan
        try kernels.norms.addColumnSquares(of: tiny.span, rows: 3, columns: 33, to: &squareSpan)
        var span = result.mutableSpan
        try kernels.norms.columns(fromSquares: squares.span, into: &span)
      }
      results.append(result)
      var output = [UInt8](repeating: 0, count: 2 * 99)
      var outputSpan = output.mutableSpan
      var raw = outputSpan.mutableBytes
      let factors = [Float](repeating: 0x1.234568p108, count: 99)
      _ = try kernels.rescaling.columns(
        weights.span.bytes, as: .f16, values: values.span, by: factors.span, rows: 1, into: &raw, as: .f16)
      var bits = results.map { $0.map(\.bitPattern) } + [elements(output[...], .f16)]
      outputSpan = output.mutableSpan
      raw = outputSpan.mutableBytes
      _ = try kernels.stochastic.combine(
        weights.span.bytes, as: .f16, with: values.span, into: &raw, as: .bf16, stream: stream, firstElement: 0)
      bits.append(elements(output[...], .bf16))
      var statistics = [RowStatistics()]
      var statisticsSpan = statistics.mutableSpan
      try kernels.compare(
        output.span.bytes, as: .bf16, with: weights.span.bytes, as: .f16, intended: values.span, are: .deltas, rows: 1,
        columns: 99, into: &statisticsSpan)
      let sums = [statistics[0].intendedSquares, statistics[0].lostSquares, statistics[0].baseSquares]
      bits.append(sums.map { UInt32(truncatingIfNeeded: $0.bitPattern) })
      return bits
    }
    let expected = try run()
    var found: [[UInt32]] = []
    let isRestored = try inHostileEnvironment { found = try run() }
    #expect(isRestored)
    for index in expected.indices {
      #expect(difference(found[index], expected[index]) == nil, "result \(index), \(random)")
    }
  }
}
