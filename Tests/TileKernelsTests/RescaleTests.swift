import Testing
import TileKernels

@Suite("Multiplying by factors and rounding")
struct RescaleTests {
  struct Case {
    var weights: [UInt32]
    var values: [Float]
    var factors: [Float]
    var rows: Int
    var columns: Int
  }

  /// Compares every variant with the reference.
  func check(
    _ example: Case, _ type: ElementType, _ outputType: ElementType, byRow: Bool, offset: Int = 0,
    _ comment: String = "", sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let expected = example.weights.indices.map { i in
      let factor = example.factors[byRow ? i / example.columns : i % example.columns]
      return Reference.encode(factor * example.values[i], example.weights[i], type, outputType)
    }
    let source = bytes(example.weights, type, offset: offset)
    let weight = source.span.bytes.extracting(offset..<source.count)
    let size = example.weights.count * outputType.byteCount
    for kernels in KernelSet.available {
      var output = [UInt8](repeating: 0x5a, count: offset + size + 5)
      var span = output.mutableSpan
      var raw = span.mutableBytes
      var target = raw._mutatingExtracting(offset..<offset + size + 5)
      let overflows =
        byRow
        ? try kernels.rescaling.rows(
          weight, as: type, values: example.values.span, by: example.factors.span, columns: example.columns,
          into: &target, as: outputType)
        : try kernels.rescaling.columns(
          weight, as: type, values: example.values.span, by: example.factors.span, rows: example.rows,
          into: &target, as: outputType)
      let found = elements(output[offset..<offset + size], outputType)
      #expect(
        difference(found, expected.map(\.bits)) == nil, "\(kernels.name) \(comment)", sourceLocation: sourceLocation)
      #expect(
        overflows == UInt64(expected.count { $0.overflows }), "\(kernels.name) \(comment)",
        sourceLocation: sourceLocation)
      #expect(output[..<offset].allSatisfy { $0 == 0x5a } && output[(offset + size)...].allSatisfy { $0 == 0x5a })
    }
  }

  @Test("Ordinary and special numbers, many numbers of columns", arguments: CombineTests.pairs, [true, false])
  func lengths(types: (ElementType, ElementType), byRow: Bool) throws {
    let (type, outputType) = types
    var random = SeededGenerator()
    for columns in Array(0...35) + [63, 64, 65, 130] {
      let rows = 3
      for special in [false, true] {
        let weights =
          special
          ? random.bits(rows * columns, type)
          : random.floats(rows * columns).map { Reference.narrow($0.bitPattern, type) }
        let delta = random.floats(weights.count).map { $0 * 0.01 }
        let values = weights.indices.map { Reference.value(weights[$0], type) + delta[$0] }
        var factors = random.floats(byRow ? rows : columns)
        if special, !factors.isEmpty { factors[0] = [0, .infinity, .nan, 1e38][columns % 4] }
        try check(
          Case(weights: weights, values: values, factors: factors, rows: rows, columns: columns), type, outputType,
          byRow: byRow, offset: columns % 4, "\(columns), \(random)")
      }
    }
  }

  @Test("A norm of 0, from the norm to the output", arguments: ElementType.allCases)
  func zeroNorm(type: ElementType) throws {
    for kernels in KernelSet.available {
      let values: [Float] = [0, -0.0, 3, 4]
      var norms: [Float] = [7, 7]
      var factors: [Float] = [7, 7]
      var normSpan = norms.mutableSpan
      try kernels.norms.rows(of: values.span, rows: 2, columns: 2, into: &normSpan)
      var factorSpan = factors.mutableSpan
      try kernels.rescaling.divide([2, 10].span, by: norms.span, into: &factorSpan)
      #expect(norms == [0, 5] && factors == [.infinity, 2])
      let weight = bytes([0, 0, 0, 0], type)
      var output = weight
      var span = output.mutableSpan
      var raw = span.mutableBytes
      let overflows = try kernels.rescaling.rows(
        weight.span.bytes, as: type, values: values.span, by: factors.span, columns: 2, into: &raw, as: type)
      #expect(overflows == 2)
      let nan = Reference.narrow(0x7fc0_0000, type)
      let expected = [nan, nan] + [6, 8].map { Reference.narrow(Float($0).bitPattern, type) }
      #expect(difference(elements(output[...], type), expected) == nil, "\(kernels.name)")
    }
  }
}
