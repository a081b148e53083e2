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
          return Reference.ComparedRow(
            base: Array(base[row]), baseType: baseType, output: Array(output[row]), outputType: outputType,
            intended: Array(intended[row]), areDeltas: areDeltas
          ).statistics
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

  /// What the doc comment of `compare` promises, over changes from far smaller to far larger than the base.
  @Test("Sums are near the exact ones", arguments: CombineTests.pairs, [true, false])
  func bound(types: (ElementType, ElementType), areDeltas: Bool) throws {
    let (baseType, outputType) = types
    var random = SeededGenerator()
    for exponent in stride(from: -60, through: 30, by: 3) {
      let size = Float(sign: .plus, exponent: exponent, significand: 1)
      let base = random.floats(700).map { Reference.narrow($0.bitPattern, baseType) }
      let deltas = random.floats(700).map { $0 * size }
      let intended =
        areDeltas ? deltas : zip(base, deltas).map { Reference.value($0, baseType) + $1 }
      let row = Reference.ComparedRow(
        base: base, baseType: baseType,
        output: zip(base, deltas).map { Reference.combine($0, baseType, $1, outputType).bits }, outputType: outputType,
        intended: intended, areDeltas: areDeltas)
      var exact = [0.0, 0, 0]
      for n in base.indices { for kind in 0..<3 { exact[kind] += row.wide(n)[kind] * row.wide(n)[kind] } }
      let roots = exact.map { $0.squareRoot() }
      for kernels in KernelSet.available {
        let found = try row.statistics(kernels)
        let sums = [found.intendedSquares, found.lostSquares, found.baseSquares]
        for kind in [0, 2] {
          #expect(abs(sums[kind] - exact[kind]) <= 0x1p-19 * exact[kind], "\(kind), 2^\(exponent), \(random)")
        }
        let further = areDeltas && outputType != .f32 ? 0x1p-24 * (roots[0] + roots[1]) : 0
        #expect(
          abs(sums[1].squareRoot() - roots[1]) <= 0x1p-20 * roots[1] + further,
          "2^\(exponent), \(kernels.name), \(random)")
      }
    }
  }

  /// Squares that fp32 cannot hold, one in a chunk of ordinary numbers or all of them.
  @Test("Very large and very small numbers", arguments: [true, false])
  func extremes(areDeltas: Bool) throws {
    for extreme in [0x1p-149, 0x1p-100, 0x1p-75, 0x1p-60, 0x1p60, 0x1p64, 0x1p100, 0x1p126] as [Float] {
      for isAlone in [true, false] {
        for place in 0..<3 {
          func numbers(_ kind: Int, _ ordinary: Float) -> [Float] {
            (0..<300).map { kind == place && (!isAlone || $0 == 270) ? extreme : ordinary }
          }
          let row = Reference.ComparedRow(
            base: numbers(0, 0.5).map(\.bitPattern), baseType: .f32, output: numbers(1, 0.75).map(\.bitPattern),
            outputType: .f32, intended: numbers(2, areDeltas ? 0.25 : 0.75), areDeltas: areDeltas)
          let expected = row.statistics
          var exact = [0.0, 0, 0]
          for n in 0..<300 { for kind in 0..<3 { exact[kind] += row.wide(n)[kind] * row.wide(n)[kind] } }
          for kernels in KernelSet.available {
            let found = try row.statistics(kernels)
            #expect(found == expected, "\(kernels.name)")
            let sums = [found.intendedSquares, found.lostSquares, found.baseSquares]
            for kind in 0..<3 {
              #expect(abs(sums[kind] - exact[kind]) <= 0x1p-19 * exact[kind], "\(extreme), \(place), \(kind)")
            }
          }
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
