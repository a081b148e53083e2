import Testing
import TileKernels

@Suite("Statistics of a merge")
struct StatisticsTests {
  @Test("All kinds of numbers, rows of every length", arguments: CombineTests.pairs, [true, false])
  func anyNumbers(types: (ElementType, ElementType), areDeltas: Bool) throws {
    let (baseType, outputType) = types
    var random = SeededGenerator()
    for columns in Array(0...17) + [63, 100, 255, 256, 257] {
      for ordinary in [true, false] {
        let rows = 2
        let count = rows * columns
        let base =
          ordinary
          ? random.floats(count).map { Reference.narrow($0.bitPattern, baseType) } : random.bits(count, baseType)
        let intended =
          ordinary
          ? random.floats(count).map { $0 * 0.01 } : random.bits(count, .f32).map { Float(bitPattern: $0) }
        let output = base.indices.map { Reference.combine(base[$0], baseType, intended[$0], outputType).bits }
        let expected = (0..<rows).map { m in
          let row = m * columns..<(m + 1) * columns
          return Reference.statistics(
            output: Array(output[row]), outputType, base: Array(base[row]), baseType,
            intended: Array(intended[row]), areDeltas: areDeltas)
        }
        let baseBytes = bytes(base, baseType, offset: columns % 4)
        let outputBytes = bytes(output, outputType, offset: columns % 3)
        for kernels in KernelSet.available {
          var found = [RowStatistics](repeating: RowStatistics(changedCount: 99), count: rows)
          var span = found.mutableSpan
          try kernels.compare(
            outputBytes.span.bytes.extracting(columns % 3..<outputBytes.count), as: outputType,
            with: baseBytes.span.bytes.extracting(columns % 4..<baseBytes.count), as: baseType,
            intended: intended.span, are: areDeltas ? .deltas : .values, rows: rows, columns: columns, into: &span)
          #expect(found == expected, "\(kernels.name), \(columns), \(random)")
        }
      }
    }
  }

  @Test("A row worked out by hand, and rows added")
  func byHand() throws {
    // bf16 1 and 2 have steps of 2^-7 and 2^-6.
    let base = bytes([0x3f80, 0x4000, 0x7fc0, 0x8000], .bf16)
    let output = bytes([0x3f81, 0x4000, 0x7fc0, 0x0000], .bf16)
    let intended: [Float] = [0x1p-8, 0x1p-8, 5, 0]
    let expected = RowStatistics(
      changedCount: 2, intendedSquares: 0x1p-15, lostSquares: 0x1p-15, baseSquares: 5)
    for kernels in KernelSet.available {
      var found = [RowStatistics()]
      var span = found.mutableSpan
      try kernels.compare(
        output.span.bytes, as: .bf16, with: base.span.bytes, as: .bf16, intended: intended.span, are: .deltas,
        rows: 1, columns: 4, into: &span)
      #expect(found == [expected])
      var total = expected
      total += found[0]
      #expect(total.changedCount == 4 && total.baseSquares == 10 && total.lostSquares == 0x1p-14)
    }
  }
}
