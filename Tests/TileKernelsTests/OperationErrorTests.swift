import Testing
import TileKernels

@Suite("Shapes that do not fit the other operations")
struct OperationErrorTests {
  let kernels = KernelSet.best
  let four = [UInt8](repeating: 0, count: 8)
  let three: [Float] = [7, 7, 7]
  let values: [Float] = [1, 1, 1, 1]
  let stream = RandomStream(seed: 1, tensor: 2)

  @Test func elementwise() {
    var found = three
    var span = found.mutableSpan
    #expect(throws: ShapeError.wrongCount(.weight, expected: 6, found: 7)) {
      try kernels.sum(four.span.bytes.extracting(0..<7), as: .f16, with: values.span, into: &span)
    }
    #expect(throws: ShapeError.tooShort(.delta, needed: 4, found: 3)) {
      try kernels.sum(four.span.bytes, as: .f16, with: three.span, into: &span)
    }
    #expect(throws: ShapeError.tooShort(.sums, needed: 4, found: 3)) {
      try kernels.sum(four.span.bytes, as: .f16, with: values.span, into: &span)
    }
    #expect(throws: ShapeError.tooShort(.delta, needed: 4, found: 3)) { try kernels.scale(&span, count: 4, by: 2) }
    #expect(throws: ShapeError.negative("count", -1)) { try kernels.scale(&span, count: -1, by: 2) }
    #expect(throws: ShapeError.tooShort(.delta, needed: 5, found: 3)) {
      try kernels.addPlain(to: &span, at: 1, values: values.span)
    }
    #expect(throws: ShapeError.negative("offset", -1)) {
      try kernels.addPlain(to: &span, at: -1, values: values.span)
    }
    #expect(throws: ShapeError.overflow(.delta)) {
      try kernels.addPlain(to: &span, at: .max, values: values.span)
    }
    #expect(throws: ShapeError.tooShort(.delta, needed: 4, found: 3)) {
      try kernels.roundDelta(&span, count: 4, to: .bf16)
    }
    #expect(throws: ShapeError.negative("count", -1)) { try kernels.roundDelta(&span, count: -1, to: .f16) }
    #expect(throws: ShapeError.tooShort(.factors, needed: 4, found: 3)) {
      try kernels.rescaling.divide(values.span, by: values.span, into: &span)
    }
    #expect(throws: ShapeError.tooShort(.norms, needed: 4, found: 3)) {
      try kernels.rescaling.divide(values.span, by: three.span, into: &span)
    }
    #expect(found == three)
  }

  @Test func norms() {
    var found = three
    var span = found.mutableSpan
    var wide: [Double] = [7]
    var wideSpan = wide.mutableSpan
    #expect(throws: ShapeError.tooShort(.values, needed: 6, found: 4)) {
      try kernels.norms.rows(of: values.span, rows: 2, columns: 3, into: &span)
    }
    #expect(throws: ShapeError.tooShort(.norms, needed: 4, found: 3)) {
      try kernels.norms.rows(of: values.span, rows: 4, columns: 1, into: &span)
    }
    #expect(throws: ShapeError.negative("rows", -1)) {
      try kernels.norms.torchRows(of: values.span, rows: -1, columns: 1, into: &span)
    }
    #expect(throws: ShapeError.negative("columns", -1)) {
      try kernels.norms.torchRows(of: values.span, rows: 1, columns: -1, into: &span)
    }
    #expect(throws: ShapeError.overflow(.values)) {
      try kernels.norms.torchRows(of: values.span, rows: .max, columns: .max, into: &span)
    }
    #expect(throws: ShapeError.tooShort(.squares, needed: 2, found: 1)) {
      try kernels.norms.addColumnSquares(of: values.span, rows: 2, columns: 2, to: &wideSpan)
    }
    #expect(throws: ShapeError.tooShort(.values, needed: 5, found: 4)) {
      try kernels.norms.addColumnSquares(of: values.span, rows: 2, columns: 1, rowStride: 4, to: &wideSpan)
    }
    #expect(throws: ShapeError.rowsOverlap(stride: 1, columns: 2)) {
      try kernels.norms.torchAddColumnSquares(of: values.span, rows: 2, columns: 2, rowStride: 1, to: &span)
    }
    #expect(throws: ShapeError.tooShort(.squares, needed: 4, found: 3)) {
      try kernels.norms.torchAddColumnSquares(of: values.span, rows: 1, columns: 4, to: &span)
    }
    #expect(throws: ShapeError.tooShort(.norms, needed: 4, found: 3)) {
      try kernels.norms.torchColumns(fromSquares: values.span, into: &span)
    }
    #expect(throws: ShapeError.tooShort(.norms, needed: 4, found: 3)) {
      try kernels.norms.columns(fromSquares: [1.0, 2, 3, 4].span, into: &span)
    }
    #expect(found == three && wide == [7])
  }

  @Test func rounding() {
    var output = [UInt8](repeating: 7, count: 7)
    var span = output.mutableSpan
    var raw = span.mutableBytes
    let weight = four.span.bytes
    #expect(throws: ShapeError.wrongCount(.weight, expected: 12, found: 8)) {
      try kernels.rescaling.rows(
        weight, as: .f16, values: values.span, by: three.span, columns: 2, into: &raw, as: .f16)
    }
    #expect(throws: ShapeError.negative("columns", -1)) {
      try kernels.rescaling.rows(
        weight, as: .f16, values: values.span, by: three.span, columns: -1, into: &raw, as: .f16)
    }
    #expect(throws: ShapeError.overflow(.weight)) {
      try kernels.rescaling.rows(
        weight, as: .f16, values: values.span, by: three.span, columns: .max, into: &raw, as: .f16)
    }
    #expect(throws: ShapeError.tooShort(.values, needed: 4, found: 3)) {
      try kernels.rescaling.columns(
        weight, as: .f16, values: three.span, by: values.span, rows: 1, into: &raw, as: .f16)
    }
    #expect(throws: ShapeError.negative("rows", -1)) {
      try kernels.rescaling.columns(
        weight, as: .f16, values: three.span, by: values.span, rows: -1, into: &raw, as: .f16)
    }
    #expect(throws: ShapeError.tooShort(.output, needed: 8, found: 7)) {
      try kernels.rescaling.columns(
        weight, as: .f16, values: values.span, by: values.span, rows: 1, into: &raw, as: .bf16)
    }
    #expect(throws: ShapeError.tooShort(.output, needed: 8, found: 7)) {
      try kernels.stochastic.combine(
        weight, as: .f16, with: values.span, into: &raw, as: .bf16, stream: stream, firstElement: 0)
    }
    #expect(throws: ShapeError.tooShort(.delta, needed: 4, found: 3)) {
      try kernels.stochastic.combine(
        weight, as: .f16, with: three.span, into: &raw, as: .bf16, stream: stream, firstElement: 0)
    }
    #expect(throws: ShapeError.tooShort(.values, needed: 4, found: 3)) {
      try kernels.stochastic.encode(
        three.span, for: weight, as: .f16, into: &raw, as: .bf16, stream: stream, firstElement: 0)
    }
    #expect(throws: ShapeError.wrongCount(.weight, expected: 6, found: 7)) {
      try kernels.stochastic.encode(
        values.span, for: weight.extracting(0..<7), as: .f16, into: &raw, as: .bf16, stream: stream, firstElement: 0)
    }
    #expect(throws: ShapeError.wrongCount(.weight, expected: 6, found: 7)) {
      try kernels.encode(values.span, for: weight.extracting(0..<7), as: .f16, into: &raw, as: .bf16)
    }
    #expect(throws: ShapeError.overflow(.output)) {
      try kernels.stochastic.encode(
        values.span, for: weight.extracting(0..<6), as: .f16, into: &raw, as: .bf16, stream: stream,
        firstElement: .max)
    }
    #expect(throws: ShapeError.negative("count", -1)) {
      try kernels.stochastic.words(of: stream, from: 0, count: -1)
    }
    #expect(output.allSatisfy { $0 == 7 })
  }

  @Test func statistics() {
    var found = [RowStatistics(changedCount: 7)]
    var span = found.mutableSpan
    let bytes = four.span.bytes
    func compare(
      _ output: RawSpan, _ base: RawSpan, _ intended: [Float], rows: Int, columns: Int,
      _ statistics: inout MutableSpan<RowStatistics>
    ) throws(ShapeError) {
      try kernels.compare(
        output, as: .bf16, with: base, as: .f16, intended: intended.span, are: .deltas, rows: rows, columns: columns,
        into: &statistics)
    }
    #expect(throws: ShapeError.tooShort(.statistics, needed: 2, found: 1)) {
      try compare(bytes, bytes, values, rows: 2, columns: 2, &span)
    }
    #expect(throws: ShapeError.tooShort(.intended, needed: 4, found: 3)) {
      try compare(bytes, bytes, three, rows: 1, columns: 4, &span)
    }
    #expect(throws: ShapeError.wrongCount(.output, expected: 8, found: 6)) {
      try compare(bytes.extracting(0..<6), bytes, values, rows: 1, columns: 4, &span)
    }
    #expect(throws: ShapeError.wrongCount(.base, expected: 8, found: 6)) {
      try compare(bytes, bytes.extracting(0..<6), values, rows: 1, columns: 4, &span)
    }
    #expect(throws: ShapeError.negative("rows", -1)) {
      try compare(bytes, bytes, values, rows: -1, columns: 4, &span)
    }
    #expect(throws: ShapeError.overflow(.output)) {
      try compare(bytes, bytes, values, rows: .max, columns: 4, &span)
    }
    #expect(found == [RowStatistics(changedCount: 7)])
  }
}
