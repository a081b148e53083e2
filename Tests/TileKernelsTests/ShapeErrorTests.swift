import Testing
import TileKernels

@Suite("Shapes that do not fit")
struct ShapeErrorTests {
  let kernels = KernelSet.best

  func packed(rank: Int, columns: Int) throws -> PackedRight {
    let bytes = [UInt8](repeating: 0, count: rank * columns * 4)
    return try PackedRight(StridedFactor(rowMajor: .f32, rows: rank, columns: columns), in: bytes.span.bytes)
  }

  @Test func widen() {
    var floats = [Float](repeating: 7, count: 3)
    var span = floats.mutableSpan
    let bytes = [UInt8](repeating: 0, count: 8)
    #expect(throws: ShapeError.tooShort(.destination, needed: 4, found: 3)) {
      try kernels.widen(bytes.span.bytes, as: .f16, into: &span)
    }
    #expect(throws: ShapeError.wrongCount(.source, expected: 4, found: 5)) {
      try kernels.widen(bytes.span.bytes.extracting(0..<5), as: .bf16, into: &span)
    }
    #expect(floats == [7, 7, 7])
  }

  @Test func clear() {
    var floats: [Float] = [7, 7]
    var span = floats.mutableSpan
    #expect(throws: ShapeError.tooShort(.delta, needed: 3, found: 2)) { try KernelSet.clear(&span, count: 3) }
    #expect(throws: ShapeError.negative("count", -1)) { try KernelSet.clear(&span, count: -1) }
    #expect(floats == [7, 7])
  }

  @Test func combine() {
    var output = [UInt8](repeating: 7, count: 7)
    var span = output.mutableSpan
    let bytes = [UInt8](repeating: 0, count: 8)
    let delta: [Float] = [0, 0, 0, 0]
    #expect(throws: ShapeError.wrongCount(.weight, expected: 4, found: 6)) {
      try kernels.combine(bytes.span.bytes.extracting(0..<6), as: .f32, with: delta.span, into: &span, as: .bf16)
    }
    #expect(throws: ShapeError.tooShort(.delta, needed: 4, found: 3)) {
      try kernels.combine(
        bytes.span.bytes, as: .bf16, with: delta.span.extracting(0..<3), into: &span, as: .bf16)
    }
    #expect(throws: ShapeError.tooShort(.output, needed: 8, found: 7)) {
      try kernels.combine(bytes.span.bytes, as: .bf16, with: delta.span, into: &span, as: .f16)
    }
    #expect(output.allSatisfy { $0 == 7 })
  }

  @Test func addLowRank() throws {
    let right = try packed(rank: 2, columns: 20)
    var delta = [Float](repeating: 7, count: 60)
    var span = delta.mutableSpan
    let left = [Float](repeating: 1, count: 6)
    #expect(throws: ShapeError.wrongCount(.left, expected: 8, found: 6)) {
      try kernels.addLowRank(to: &span, left: left.span, right: right, rows: 4, scale: 1)
    }
    #expect(throws: ShapeError.tooShort(.delta, needed: 61, found: 60)) {
      try kernels.addLowRank(to: &span, at: 1, left: left.span, right: right, rows: 3, scale: 1)
    }
    #expect(throws: ShapeError.tooShort(.delta, needed: 62, found: 60)) {
      try kernels.addLowRank(to: &span, rowStride: 21, left: left.span, right: right, rows: 3, scale: 1)
    }
    #expect(throws: ShapeError.rowsOverlap(stride: 19, columns: 20)) {
      try kernels.addLowRank(to: &span, rowStride: 19, left: left.span, right: right, rows: 3, scale: 1)
    }
    #expect(throws: ShapeError.negative("rows", -1)) {
      try kernels.addLowRank(to: &span, left: left.span, right: right, rows: -1, scale: 1)
    }
    #expect(throws: ShapeError.negative("offset", -1)) {
      try kernels.addLowRank(to: &span, at: -1, left: left.span, right: right, rows: 3, scale: 1)
    }
    #expect(throws: ShapeError.overflow(.delta)) {
      try kernels.addLowRank(to: &span, at: .max, left: left.span, right: right, rows: 3, scale: 1)
    }
    #expect(throws: ShapeError.overflow(.delta)) {
      try kernels.addLowRank(to: &span, rowStride: .max, left: left.span, right: right, rows: 3, scale: 1)
    }
    #expect(throws: ShapeError.overflow(.left)) {
      try kernels.addLowRank(to: &span, left: left.span, right: right, rows: .max, scale: 1)
    }
    try kernels.addLowRank(to: &span, at: .max, left: [Float]().span, right: right, rows: 0, scale: 1)
    #expect(delta.allSatisfy { $0 == 7 })
  }

  @Test func mergeLowRank() throws {
    let right = try packed(rank: 2, columns: 20)
    let weight = [UInt8](repeating: 1, count: 120)
    var output = [UInt8](repeating: 7, count: 119)
    var bytes = output.mutableSpan
    var span = bytes.mutableBytes
    let left = [Float](repeating: 1, count: 6)
    #expect(throws: ShapeError.wrongCount(.left, expected: 6, found: 4)) {
      try kernels.mergeLowRank(
        weight.span.bytes, as: .bf16, left: left.span.extracting(0..<4), right: right, rows: 3, scale: 1, into: &span,
        as: .bf16)
    }
    #expect(throws: ShapeError.wrongCount(.weight, expected: 240, found: 120)) {
      try kernels.mergeLowRank(
        weight.span.bytes, as: .f32, left: left.span, right: right, rows: 3, scale: 1, into: &span, as: .bf16)
    }
    #expect(throws: ShapeError.tooShort(.output, needed: 120, found: 119)) {
      try kernels.mergeLowRank(
        weight.span.bytes, as: .bf16, left: left.span, right: right, rows: 3, scale: 1, into: &span, as: .f16)
    }
    #expect(throws: ShapeError.negative("rows", -1)) {
      try kernels.mergeLowRank(
        weight.span.bytes, as: .bf16, left: left.span, right: right, rows: -1, scale: 1, into: &span, as: .bf16)
    }
    let factor = try StridedFactor(rowMajor: .f32, rows: 2, columns: 20)
    let part = try PackedRight(factor, in: [UInt8](repeating: 0, count: 160).span.bytes, panels: 0..<1)
    #expect(throws: ShapeError.outOfRange("panel columns", 0..<16, count: 20)) {
      try kernels.mergeLowRank(
        weight.span.bytes, as: .bf16, left: left.span, right: part, rows: 3, scale: 1, into: &span, as: .bf16)
    }
    #expect(output.allSatisfy { $0 == 7 })
  }

  @Test func products() throws {
    let right = try packed(rank: 2, columns: 20)
    let other = try packed(rank: 3, columns: 20)
    let narrow = try packed(rank: 3, columns: 19)
    let weight = [UInt8](repeating: 1, count: 120)
    var output = [UInt8](repeating: 7, count: 119)
    var delta = [Float](repeating: 7, count: 60)
    var deltaSpan = delta.mutableSpan
    let (left, factors) = ([Float](repeating: 1, count: 6), [Float](repeating: 1, count: 20))
    func mergeColumns(
      _ left: [Float], _ factors: [Float], rows: Int = 3, _ output: inout [UInt8], _ type: ElementType = .bf16
    ) throws {
      var bytes = output.mutableSpan
      var span = bytes.mutableBytes
      _ = try kernels.products.merge(
        weight.span.bytes, as: .bf16, left: left.span, right: right, byColumns: factors.span, rows: rows, scale: 1,
        into: &span,
        as: type)
    }
    func mergeProduct(_ otherRight: PackedRight, _ otherLeft: [Float], _ output: inout [UInt8]) throws {
      var bytes = output.mutableSpan
      var span = bytes.mutableBytes
      _ = try kernels.products.merge(
        weight.span.bytes, as: .bf16, left: left.span, right: right, byProductOf: otherLeft.span, otherRight, rows: 3,
        scale: 1,
        into: &span, as: .bf16)
    }
    #expect(throws: ShapeError.wrongCount(.factors, expected: 20, found: 6)) { try mergeColumns(left, left, &output) }
    #expect(throws: ShapeError.wrongCount(.left, expected: 6, found: 20)) {
      try mergeColumns(factors, factors, &output)
    }
    #expect(throws: ShapeError.negative("rows", -1)) { try mergeColumns(left, factors, rows: -1, &output) }
    #expect(throws: ShapeError.tooShort(.output, needed: 120, found: 119)) { try mergeColumns(left, factors, &output) }
    #expect(throws: ShapeError.tooShort(.output, needed: 240, found: 119)) {
      try mergeColumns(left, factors, &output, .f32)
    }
    #expect(throws: ShapeError.wrongCount(.left, expected: 9, found: 6)) {
      try mergeProduct(other, left, &output)
    }
    #expect(throws: ShapeError.outOfRange("panel columns", 0..<19, count: 20)) {
      try mergeProduct(narrow, Array(factors[..<9]), &output)
    }
    #expect(throws: ShapeError.tooShort(.output, needed: 120, found: 119)) {
      try mergeProduct(other, Array(factors[..<9]), &output)
    }
    #expect(throws: ShapeError.tooShort(.delta, needed: 61, found: 60)) {
      try kernels.products.set(&deltaSpan, at: 1, left: left.span, right: right, rows: 3, scale: 1)
    }
    #expect(throws: ShapeError.wrongCount(.left, expected: 4, found: 6)) {
      try kernels.products.set(&deltaSpan, left: left.span, right: right, rows: 2, scale: 1)
    }
    #expect(throws: ShapeError.negative("offset", -1)) {
      try kernels.products.set(&deltaSpan, at: -1, left: left.span, right: right, rows: 3, scale: 1)
    }
    #expect(output.allSatisfy { $0 == 7 })
    #expect(delta.allSatisfy { $0 == 7 })
  }

  @Test func kroneckerRows() throws {
    var row: [Float] = [7, 7, 7, 7, 7]
    var span = row.mutableSpan
    let values: [Float] = [1, 1]
    #expect(throws: ShapeError.tooShort(.destination, needed: 6, found: 5)) {
      try kernels.products.setRow(&span, at: 1, count: 5, factors: nil, values: values.span, scale: 1)
    }
    #expect(throws: ShapeError.tooShort(.factors, needed: 3, found: 2)) {
      try kernels.products.setRow(&span, count: 5, factors: values.span, values: values.span, scale: 1)
    }
    #expect(throws: ShapeError.tooShort(.values, needed: 1, found: 0)) {
      try kernels.products.setRow(&span, count: 5, factors: nil, values: [Float]().span, scale: 1)
    }
    #expect(throws: ShapeError.negative("count", -1)) {
      try kernels.products.setRow(&span, count: -1, factors: nil, values: values.span, scale: 1)
    }
    #expect(throws: ShapeError.overflow(.destination)) {
      try kernels.products.setRow(&span, at: .max, count: 5, factors: nil, values: values.span, scale: 1)
    }
    #expect(row.allSatisfy { $0 == 7 })
  }

  @Test func addScaled() {
    var delta: [Float] = [7, 7, 7]
    var span = delta.mutableSpan
    let values: [Float] = [1, 1]
    #expect(throws: ShapeError.tooShort(.delta, needed: 4, found: 3)) {
      try kernels.addScaled(to: &span, at: 2, values: values.span, scale: 1)
    }
    #expect(throws: ShapeError.negative("offset", -1)) {
      try kernels.addScaled(to: &span, at: -1, values: values.span, scale: 1)
    }
    #expect(throws: ShapeError.overflow(.delta)) {
      try kernels.addScaled(to: &span, at: .max, values: values.span, scale: 1)
    }
    #expect(delta == [7, 7, 7])
  }

  @Test func stridedFactor() throws {
    for (name, numbers) in [
      ("rows", (-1, 1, 0, 1, 1)), ("columns", (1, -1, 0, 1, 1)), ("element offset", (1, 1, -1, 1, 1)),
      ("row stride", (1, 1, 0, -1, 1)), ("column stride", (1, 1, 0, 1, -1)),
    ] {
      #expect(throws: ShapeError.negative(name, -1)) {
        try StridedFactor(
          elementType: .f32, rows: numbers.0, columns: numbers.1, elementOffset: numbers.2, rowStride: numbers.3,
          columnStride: numbers.4)
      }
    }
    for numbers in [
      (2, 1, 1, .max, 1), (1, 2, 1, 1, .max), (3, 1, 0, .max, 1), (2, 2, 0, .max / 2 + 1, .max / 2 + 1),
      (1, 1, .max, 1, 1), (2, 1, 0, .max / 4, 1), (1, 1, .max / 4, 1, 1),
    ] as [(Int, Int, Int, Int, Int)] {
      #expect(throws: ShapeError.overflow(.factor)) {
        try StridedFactor(
          elementType: .f32, rows: numbers.0, columns: numbers.1, elementOffset: numbers.2, rowStride: numbers.3,
          columnStride: numbers.4)
      }
    }
    let factor = try StridedFactor(rowMajor: .f32, rows: 4, columns: 2)
    #expect(throws: ShapeError.outOfRange("rows", 2..<5, count: 4)) { try factor.rows(2..<5) }
    #expect(throws: ShapeError.outOfRange("rows", -1..<2, count: 4)) { try factor.rows(-1..<2) }
    #expect(try factor.rows(4..<4).neededByteCount == 0)
    let empty = try StridedFactor(elementType: .f32, rows: 4, columns: 0, elementOffset: .max, rowStride: .max)
    #expect(try empty.rows(2..<4).neededByteCount == 0)
  }

  @Test func packing() throws {
    let factor = try StridedFactor(rowMajor: .f32, rows: 2, columns: 20)
    let bytes = [UInt8](repeating: 0, count: 160)
    #expect(throws: ShapeError.tooShort(.factor, needed: 160, found: 159)) {
      _ = try PackedRight(factor, in: bytes.span.bytes.extracting(0..<159))
    }
    #expect(throws: ShapeError.outOfRange("panels", 1..<3, count: 2)) {
      _ = try PackedRight(factor, in: bytes.span.bytes, panels: 1..<3)
    }
    #expect(throws: ShapeError.outOfRange("panels", -1..<1, count: 2)) {
      _ = try PackedRight(factor, in: bytes.span.bytes, panels: -1..<1)
    }
    var packed = [Float](repeating: 7, count: 39)
    var span = packed.mutableSpan
    #expect(throws: ShapeError.tooShort(.packed, needed: 40, found: 39)) {
      try kernels.packLeft(factor, in: bytes.span.bytes, into: &span)
    }
    #expect(throws: ShapeError.tooShort(.factor, needed: 160, found: 120)) {
      try kernels.packLeft(factor, in: bytes.span.bytes.extracting(0..<120), into: &span)
    }
    #expect(packed.allSatisfy { $0 == 7 })
  }

  @Test("Sizes that no memory holds are errors, not traps")
  func immense() throws {
    #expect(try PackedRight.byteCount(columns: 17, rank: 3) == 2 * 16 * 3 * 4)
    #expect(try PackedRight.byteCount(columns: 0, rank: 3) == 0)
    #expect(throws: ShapeError.overflow(.packed)) { try PackedRight.byteCount(columns: .max, rank: 1) }
    #expect(throws: ShapeError.overflow(.packed)) { try PackedRight.byteCount(columns: 1 << 32, rank: 1 << 32) }
    #expect(throws: ShapeError.negative("rank", -1)) { try PackedRight.byteCount(columns: 1, rank: -1) }
    #expect(throws: ShapeError.negative("columns", -1)) { try PackedRight.byteCount(columns: -1, rank: 1) }

    // Repeated elements make a factor of any size out of 4 bytes.
    let repeated = try StridedFactor(
      elementType: .f32, rows: .max, columns: .max, rowStride: 0, columnStride: 0)
    let bytes: [UInt8] = [0, 0, 0, 0]
    #expect(throws: ShapeError.overflow(.packed)) { _ = try PackedRight(repeated, in: bytes.span.bytes) }
    var packed: [Float] = [7]
    var span = packed.mutableSpan
    #expect(throws: ShapeError.overflow(.packed)) {
      try kernels.packLeft(repeated, in: bytes.span.bytes, into: &span)
    }
    let rankZero = try StridedFactor(
      elementType: .f32, rows: 0, columns: .max, rowStride: 0, columnStride: 0)
    let last = PackedRight.panelCount(columns: .max) - 1
    let part = try PackedRight(rankZero, in: bytes.span.bytes, panels: last..<last + 1)
    #expect(part.columns == Int.max - 15..<Int.max)
  }

  @Test func descriptions() {
    let cases: [(ShapeError, String)] = [
      (.wrongCount(.left, expected: 8, found: 6), "left has size 6, expected 8"),
      (.tooShort(.delta, needed: 4, found: 3), "delta has size 3, at least 4 is needed"),
      (.negative("rows", -1), "rows is negative: -1"),
      (.rowsOverlap(stride: 19, columns: 20), "a row stride of 19 is less than the 20 columns of a row"),
      (.outOfRange("panels", 1..<3, count: 2), "panels 1..<3 reach outside 0..<2"),
      (.overflow(.packed), "the sizes of packed overflow"),
    ]
    for (error, text) in cases { #expect(error.description == text) }
  }
}
