import Testing
import TileKernels

@Suite("Decoding of weights kept as codes")
struct DecodeTests {
  /// E2M1, and 16 numbers whose low bits are not zero.
  static let tables: [[Float]] = [
    [0, 1, 2, 3, 4, 6, 8, 12, -0.0, -1, -2, -3, -4, -6, -8, -12],
    (0..<16).map { (Float($0) - 7.3) / 8.7 },
  ]

  /// Scales for which a product is ordinary, zero, subnormal, too large for a type, infinite or NaN.
  static let scales: [Float] = [
    1, 0.0123, -3.7, 0, -0.0, 0x1p-149, 0x1p-130, 0x1.8p-24, 6000, 0x1p127, 0x1.fp127, .infinity, -.infinity, .nan,
    0x1.fffffep-126, 0x1p-15,
  ]

  @Test("Nibbles: every byte, in both orders, under scales of every kind", arguments: ElementType.allCases)
  func everyByteOfNibbles(type: ElementType) throws {
    let codes = (0..<256).map { UInt8($0) }
    for table in Self.tables {
      for scale in Self.scales {
        for isHighFirst in [false, true] {
          let case64 = NibbleCase(
            codes: codes, table: table, first: 0, count: 512, block: 512, scales: [scale], isHighFirst)
          for kernels in KernelSet.available {
            let found = try kernels.decoded(case64, type)
            #expect(difference(found, case64.expected(type)) == nil, "\(kernels.name), \(scale), \(isHighFirst)")
          }
        }
      }
    }
  }

  @Test("Nibbles: ragged beginnings and ends, block sizes, any alignment", arguments: ElementType.allCases)
  func raggedNibbles(type: ElementType) throws {
    var random = SeededGenerator()
    for block in [2, 32, 34, 64, 4096] {
      for first in [0, 1, 2, 3, 31, 63, 64] {
        for count in [1, 2, 31, 32, 33, 64, 65, 100, 257] {
          let codes = (0..<(first % 2 + count + 1) / 2).map { _ in UInt8(truncatingIfNeeded: random.next()) }
          let scales = random.floats((first + count - 1) / block + 1)
          let nibbles = NibbleCase(
            codes: codes, table: Self.tables[1], first: first, count: count, block: block, scales: scales,
            random.next() & 1 == 0)
          let expected = nibbles.expected(type)
          for kernels in KernelSet.available {
            let offsets = (Int(random.next() % 16), Int(random.next() % 64))
            let found = try kernels.decoded(nibbles, type, offset: offsets.0, outputOffset: offsets.1)
            #expect(
              difference(found, expected) == nil,
              "\(kernels.name), \(count) from \(first), blocks of \(block), \(random)")
          }
        }
      }
    }
  }

  @Test("Transposed halves: every byte under every byte of a scale", arguments: ElementType.allCases)
  func everyScale(type: ElementType) throws {
    // Half a power of two, as MXFP4's; and powers whose last is a NaN, as E8M0 has it.
    let powers = (0..<256).map { Float(sign: .plus, exponent: $0 - 128, significand: 1) }
    for (number, scaleTable) in [powers, powers.dropFirst() + [.nan]].enumerated() {
      let (rows, columns) = (512, 256)
      let matrix = Transposed(
        codes: (0..<columns).flatMap { column in (0..<rows / 2).map { UInt8(truncatingIfNeeded: $0 + column) } },
        table: Self.tables[0],
        scales: (0..<columns * rows / 32).map { UInt8(truncatingIfNeeded: $0 / 16 + $0 % 16 * 7) },
        scaleTable: scaleTable,
        place: TransposedCodes(rows: rows, columns: columns, block: 32, firstRow: 0, rowCount: rows))
      let expected = matrix.expected(type)
      for kernels in KernelSet.available {
        #expect(difference(try kernels.decoded(matrix, type), expected) == nil, "\(kernels.name), table \(number)")
      }
    }
  }

  @Test("Transposed halves: any rows, columns, block sizes and alignment", arguments: ElementType.allCases)
  func raggedTransposed(type: ElementType) throws {
    var random = SeededGenerator()
    let scaleTable = (0..<256).map { Self.scales[$0 % Self.scales.count] * Float(1 + $0 / 16) }
    for block in [2, 16, 32, 64] {
      for columns in [1, 31, 32, 33, 63, 100] {
        for (firstRow, rowCount) in [(0, 192), (0, 1), (1, 1), (22, 22), (31, 2), (33, 100), (191, 1), (64, 64)] {
          let rows = 192
          let matrix = Transposed(
            codes: (0..<columns * rows / 2).map { _ in UInt8(truncatingIfNeeded: random.next()) },
            table: Self.tables[Int(random.next() % 2)],
            scales: (0..<columns * rows / block).map { _ in UInt8(truncatingIfNeeded: random.next()) },
            scaleTable: scaleTable,
            place: TransposedCodes(
              rows: rows, columns: columns, block: block, firstRow: firstRow, rowCount: rowCount))
          let expected = matrix.expected(type)
          for kernels in KernelSet.available {
            let offsets = (Int(random.next() % 16), Int(random.next() % 64))
            let found = try kernels.decoded(matrix, type, offset: offsets.0, outputOffset: offsets.1)
            #expect(
              difference(found, expected) == nil,
              "\(kernels.name), rows \(firstRow) and \(rowCount), \(columns) columns, blocks of \(block), \(random)")
          }
        }
      }
    }
  }

  @Test("Bytes: every code under scales of every kind, with zeros, cut blocks and blocks in any order")
  func bytes() throws {
    var random = SeededGenerator()
    var table = random.floats(256)
    table.replaceSubrange(0..<6, with: [.nan, -.nan, .infinity, 0, -0.0, 0x1p-149])
    for type in ElementType.allCases {
      for (rows, columns, block, firstRow) in [
        (3, 512, (2, 128), 1), (5, 200, (3, 48), 2), (2, 33, (1, 33), 0), (1, 7, (4, 2), 3),
      ] {
        let scaleColumns = (columns - 1) / block.1 + 1
        let scaleRows = (firstRow + rows - 1) / block.0 + 1
        let codes = (0..<rows * columns).map { $0 < 256 ? UInt8($0) : UInt8(truncatingIfNeeded: random.next()) }
        for variant in 0..<6 {
          let scales = (0..<scaleRows * scaleColumns).map { _ in
            variant % 2 == 0 ? random.floats(1)[0] : Self.scales[Int(random.next() % UInt64(Self.scales.count))]
          }
          let zeros = variant < 2 ? [] : scales.map { _ in Float(random.next() % 16) }
          let order = variant < 4 ? [] : (0..<columns).map { _ in UInt32(random.next() % UInt64(scaleColumns)) }
          let factor: Float = variant == 1 ? 0.1 : 1
          var expected: [UInt32] = []
          for row in 0..<rows {
            for column in 0..<columns {
              let blockColumn = order.isEmpty ? column / block.1 : Int(order[column])
              let number = (firstRow + row) / block.0 * scaleColumns + blockColumn
              var value = table[Int(codes[row * columns + column])]
              if !zeros.isEmpty { value -= zeros[number] }
              value *= scales[number]
              value *= factor
              expected.append(settled(value, type))
            }
          }
          for kernels in KernelSet.available {
            var output = [UInt8](repeating: 0, count: rows * columns * type.byteCount)
            var span = output.mutableSpan
            var raw = span.mutableBytes
            try kernels.decoding.bytes(
              codes.span.bytes, by: table.span,
              CodeBlocks(firstRow: firstRow, rows: rows, columns: columns, scaleColumns: scaleColumns), blocks: block,
              scales: scales.span, zeros: zeros, blockOfColumn: order, factor: factor, into: &raw, as: type)
            #expect(
              difference(elements(output[...], type), expected) == nil,
              "\(kernels.name), \(type), \(columns) columns, variant \(variant), \(random)")
          }
        }
      }
    }
  }
}

/// The bits of a product in fp32, rounded to `type`; every NaN is the positive quiet one.
private func settled(_ value: Float, _ type: ElementType) -> UInt32 {
  Reference.narrow(value.isNaN ? 0x7fc0_0000 : value.bitPattern, type)
}

/// Codes of half a byte, one behind the other.
private struct NibbleCase {
  let codes: [UInt8]
  let table: [Float]
  let first: Int
  let count: Int
  let block: Int
  let scales: [Float]
  let isHighFirst: Bool

  init(
    codes: [UInt8], table: [Float], first: Int, count: Int, block: Int, scales: [Float], _ isHighFirst: Bool
  ) {
    self.codes = codes
    self.table = table
    self.first = first
    self.count = count
    self.block = block
    self.scales = scales
    self.isHighFirst = isHighFirst
  }

  func expected(_ type: ElementType) -> [UInt32] {
    (0..<count).map { i in
      let place = first % 2 + i
      let byte = codes[place / 2]
      let code = (place % 2 == 0) == isHighFirst ? byte >> 4 : byte & 15
      return settled(table[Int(code)] * scales[(first + i) / block], type)
    }
  }
}

/// Codes of half a byte of a matrix whose columns lie one behind the other.
private struct Transposed {
  let codes: [UInt8]
  let table: [Float]
  let scales: [UInt8]
  let scaleTable: [Float]
  let place: TransposedCodes

  func expected(_ type: ElementType) -> [UInt32] {
    (place.firstRow..<place.firstRow + place.rowCount).flatMap { row in
      (0..<place.columns).map { column in
        let byte = codes[column * place.rows / 2 + row / 2]
        let code = row % 2 == 0 ? byte & 15 : byte >> 4
        let scale = scaleTable[Int(scales[column * place.rows / place.block + row / place.block])]
        return settled(table[Int(code)] * scale, type)
      }
    }
  }
}

extension KernelSet {
  /// Decodes codes that lie `offset` bytes after an aligned address into elements that lie `outputOffset` after one.
  fileprivate func decoded(
    _ nibbles: NibbleCase, _ type: ElementType, offset: Int = 0, outputOffset: Int = 0
  ) throws -> [UInt32] {
    let source = [UInt8](repeating: 0xa5, count: offset) + nibbles.codes
    return try written(nibbles.count, type, outputOffset) { output in
      try decoding.nibbles(
        source.span.bytes.extracting(offset..<source.count), by: nibbles.table.span, first: nibbles.first,
        count: nibbles.count, block: nibbles.block, isHighFirst: nibbles.isHighFirst, scales: nibbles.scales.span,
        into: &output, as: type)
    }
  }

  fileprivate func decoded(
    _ matrix: Transposed, _ type: ElementType, offset: Int = 0, outputOffset: Int = 0
  ) throws -> [UInt32] {
    let source = [UInt8](repeating: 0xa5, count: offset) + matrix.codes
    return try written(matrix.place.rowCount * matrix.place.columns, type, outputOffset) { output in
      try decoding.transposed(
        source.span.bytes.extracting(offset..<source.count), by: matrix.table.span, scales: matrix.scales.span.bytes,
        by: matrix.scaleTable.span, matrix.place, into: &output, as: type)
    }
  }

  /// The elements that `decode` writes, and nothing around them.
  private func written(
    _ count: Int, _ type: ElementType, _ offset: Int, by decode: (inout MutableRawSpan) throws -> Void
  ) throws -> [UInt32] {
    let size = count * type.byteCount
    let margin = 70
    var output = [UInt8](repeating: 0x5a, count: offset + size + margin)
    var span = output.mutableSpan
    var raw = span.mutableBytes
    var target = raw._mutatingExtracting(offset..<offset + size + margin)
    try decode(&target)
    guard (output[..<offset] + output[(offset + size)...]).allSatisfy({ $0 == 0x5a }) else { throw WroteOutside() }
    return elements(output[offset..<offset + size], type)
  }
}
