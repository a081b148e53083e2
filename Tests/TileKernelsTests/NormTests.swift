import Testing
import TileKernels

@Suite("Norms")
struct NormTests {
  func rowNorms(
    _ kernels: KernelSet, _ values: [Float], rows: Int, columns: Int, asTorch: Bool
  ) throws -> [Float] {
    var norms = [Float](repeating: 7, count: rows + 1)
    var span = norms.mutableSpan
    if asTorch {
      try kernels.norms.torchRows(of: values.span, rows: rows, columns: columns, into: &span)
    } else {
      try kernels.norms.rows(of: values.span, rows: rows, columns: columns, into: &span)
    }
    #expect(norms.removeLast() == 7)
    return norms
  }

  @Test("Along rows of every length", arguments: [false, true])
  func rows(asTorch: Bool) throws {
    var random = SeededGenerator()
    for columns in Array(0...67) + [255, 1000, 4097] {
      for rows in [0, 1, 3, 4, 6] {
        let values = random.floats(rows * columns)
        let expected = (0..<rows).map { m in
          let row = Array(values[m * columns..<(m + 1) * columns])
          return asTorch ? Reference.torchRowNorm(row) : Reference.rowNorm(row)
        }
        for kernels in KernelSet.available {
          let found = try rowNorms(kernels, values, rows: rows, columns: columns, asTorch: asTorch)
          #expect(difference(found, expected) == nil, "\(kernels.name), \(rows) x \(columns), \(random)")
        }
      }
    }
  }

  @Test("Numbers of every size, NaN and infinity", arguments: [false, true])
  func anyNumbers(asTorch: Bool) throws {
    var random = SeededGenerator()
    for columns in [1, 2, 5, 8, 21, 100] {
      let values = random.bits(40 * columns, .f32).map { Float(bitPattern: $0) }
      let expected = (0..<40).map { m in
        let row = Array(values[m * columns..<(m + 1) * columns])
        return asTorch ? Reference.torchRowNorm(row) : Reference.rowNorm(row)
      }
      for kernels in KernelSet.available {
        let found = try rowNorms(kernels, values, rows: 40, columns: columns, asTorch: asTorch)
        #expect(difference(found, expected) == nil, "\(kernels.name), \(columns), \(random)")
      }
    }
  }

  /// v[i] = (i + 1) / 2^7 * (-1)^i / 3, rounded to fp32, row-major.
  static func sample(_ count: Int) -> [Float] {
    (0..<count).map { i in Float(i + 1) * 0x1p-7 * (i % 2 == 0 ? 1 : -1) / 3 }
  }

  // torch.linalg.norm(v, dim=1) of torch 2.13.0+cpu on samples with 2 rows.
  @Test("Torch's bits along rows", arguments: TorchNorms.rows)
  func torchRows(columns: Int, expected: [UInt32]) throws {
    for kernels in KernelSet.available {
      let found = try rowNorms(kernels, Self.sample(2 * columns), rows: 2, columns: columns, asTorch: true)
      #expect(difference(found.map(\.bitPattern), expected) == nil, "\(kernels.name)")
    }
  }

  // torch.linalg.norm(v.T, dim=1) of torch 2.13.0+cpu on samples with 11 columns.
  @Test("Torch's bits down columns", arguments: TorchNorms.columns)
  func torchColumns(rows: Int, expected: [UInt32]) throws {
    for kernels in KernelSet.available {
      let found = try columnNorms(kernels, Self.sample(11 * rows), columns: 11, tiles: [rows], asTorch: true)
      #expect(difference(found.map(\.bitPattern), expected) == nil, "\(kernels.name)")
    }
  }

  func columnNorms(
    _ kernels: KernelSet, _ values: [Float], columns: Int, tiles: [Int], asTorch: Bool, gap: Int = 0
  ) throws -> [Float] {
    var norms = [Float](repeating: 7, count: columns)
    var span = norms.mutableSpan
    var squares = [Float](repeating: 0, count: columns)
    var wideSquares = [Double](repeating: 0, count: columns)
    let stride = columns + gap
    var first = 0
    for rows in tiles {
      let tile = values.span.extracting(first * stride..<max(first * stride, (first + rows) * stride - gap))
      if asTorch {
        var sums = squares.mutableSpan
        try kernels.norms.torchAddColumnSquares(
          of: tile, rows: rows, columns: columns, rowStride: gap == 0 ? nil : stride, to: &sums)
      } else {
        var sums = wideSquares.mutableSpan
        try kernels.norms.addColumnSquares(
          of: tile, rows: rows, columns: columns, rowStride: gap == 0 ? nil : stride, to: &sums)
      }
      first += rows
    }
    if asTorch {
      try kernels.norms.torchColumns(fromSquares: squares.span, into: &span)
    } else {
      try kernels.norms.columns(fromSquares: wideSquares.span, into: &span)
    }
    return norms
  }

  @Test("Down columns, in one tile and in many, with and without gaps between the rows", arguments: [false, true])
  func columns(asTorch: Bool) throws {
    var random = SeededGenerator()
    for columns in Array(1...35) + [100] {
      for gap in [0, 3] {
        let values = random.floats(67 * (columns + gap))
        let expected = (0..<columns).map { n in
          let column = (0..<67).map { values[$0 * (columns + gap) + n] }
          if asTorch { return column.reduce(0) { $0 + $1 * $1 }.squareRoot() }
          return Float(column.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
        }
        for kernels in KernelSet.available {
          for tiles in [[67], [1, 16, 17, 0, 33], [Int](repeating: 1, count: 67)] {
            let found = try columnNorms(
              kernels, values, columns: columns, tiles: tiles, asTorch: asTorch, gap: gap)
            #expect(difference(found, expected) == nil, "\(kernels.name), \(columns), \(random)")
          }
        }
      }
    }
  }
}
