import TileKernels

/// Products of a matrix D and of its transpose with a few vectors, in fp32 by the kernels of a merge.
///
/// A sum is a chain of fused multiply-adds over 512 elements; the sums of such runs are added in their order. A matrix that is too
/// large to be held in fp32 is read again for every product.
struct MatrixOperator {
  private let source: any MatrixRows
  /// Nil: the matrix is read for every product.
  private let held: [MatrixTile]?
  private let kernels: KernelSet
  /// The sum of the squares of all elements, in fp64.
  let total: Double

  var rows: Int { source.rows }
  var columns: Int { source.columns }

  /// Reads the matrix once.
  ///
  /// - Parameters:
  ///   - elementLimit: The elements that may be held.
  /// - Throws: ``LowRankError/Problem/notFinite``; what reading throws.
  init(_ source: any MatrixRows, elementLimit: Int, kernels: KernelSet) throws {
    self.source = source
    self.kernels = kernels
    var tiles: [MatrixTile] = []
    var total = 0.0
    let isHeld = source.rows * source.columns <= elementLimit
    try Self.forEachTile(of: source) { tile in
      total += SpectralSums.squares(tile.elements)
      if isHeld { tiles.append(tile) }
    }
    guard total.isFinite else { throw LowRankError(.notFinite) }
    held = isHeld ? tiles : nil
    self.total = total
  }

  private static func forEachTile(of source: any MatrixRows, _ body: (MatrixTile) throws -> Void) throws {
    var buffer: [Float] = []
    for start in stride(from: 0, to: source.rows, by: MatrixTile.edge) {
      let rows = start..<min(start + MatrixTile.edge, source.rows)
      try source.read(rows, into: &buffer)
      try body(MatrixTile(buffer, rows: rows, columns: source.columns))
    }
  }

  private func forEachTile(_ body: (MatrixTile) throws -> Void) throws {
    guard let held else { return try Self.forEachTile(of: source, body) }
    for tile in held { try body(tile) }
  }

  /// D times each vector, which has as many elements as D has columns.
  func times(_ vectors: VectorSet) throws -> VectorSet {
    let blocks = MatrixTile.blocks(columns)
    let packed = try blocks.map { block in
      try vectors.packed(
        StridedFactor(
          elementType: .f32, rows: block.count, columns: vectors.count, elementOffset: block.lowerBound, rowStride: 1,
          columnStride: vectors.length), kernels)
    }
    var result = VectorSet(zeros: vectors.count, length: rows)
    try forEachTile { tile in
      var sums = [Float](repeating: 0, count: tile.rows.count * vectors.count)
      var span = sums.mutableSpan
      for (block, right) in zip(blocks, packed) {
        try kernels.addLowRank(
          to: &span, left: tile.elements.span.extracting(tile.place(of: block)), right: right, rows: tile.rows.count,
          scale: 1)
      }
      result.set(tile.rows, to: SpectralSums.transposed(sums, rows: tile.rows.count, columns: vectors.count))
    }
    return result
  }

  /// The transpose of D times each vector, which has as many elements as D has rows.
  func transposedTimes(_ vectors: VectorSet) throws -> VectorSet {
    var result = VectorSet(zeros: vectors.count, length: columns)
    try forEachTile { tile in
      let left = vectors.part(tile.rows)
      for block in MatrixTile.blocks(columns) {
        let factor = try StridedFactor(
          elementType: .f32, rows: tile.rows.count, columns: block.count,
          elementOffset: tile.place(of: block).lowerBound, rowStride: block.count)
        let right = try unsafe PackedRight(factor, in: tile.elements.span.bytes, kernels: kernels)
        var span = result.elements.mutableSpan
        try kernels.addLowRank(
          to: &span, at: block.lowerBound, rowStride: columns, left: left.span, right: right, rows: vectors.count,
          scale: 1)
      }
    }
    return result
  }

  /// The Gram matrix in fp64 of the rows, or of the columns where these are fewer.
  func gramOfShorterSide() throws -> [Double] {
    if columns < rows {
      var sums = [Double](repeating: 0, count: columns * columns)
      try forEachTile { tile in
        var turned: [Float] = []
        turned.reserveCapacity(tile.elements.count)
        for block in MatrixTile.blocks(columns) {
          let part = [Float](tile.elements[tile.place(of: block)])
          turned += SpectralSums.transposed(part, rows: tile.rows.count, columns: block.count)
        }
        let part = SpectralSums.gram(VectorSet(count: columns, length: tile.rows.count, elements: turned))
        for index in sums.indices { sums[index] += part[index] }
      }
      return sums
    }
    // The rows, a block of columns at a time.
    var sums = [Double](repeating: 0, count: rows * rows)
    var parts = [[Float]](repeating: [], count: MatrixTile.blocks(columns).count)
    try forEachTile { tile in
      for (index, block) in MatrixTile.blocks(columns).enumerated() {
        parts[index] += tile.elements[tile.place(of: block)]
      }
    }
    for (part, block) in zip(parts, MatrixTile.blocks(columns)) {
      let gram = SpectralSums.gram(VectorSet(count: rows, length: block.count, elements: part))
      for index in sums.indices { sums[index] += gram[index] }
    }
    return sums
  }
}

extension VectorSet {
  /// Sets some elements of every vector.
  fileprivate mutating func set(_ range: Range<Int>, to values: [Float]) {
    for index in 0..<count {
      elements.replaceSubrange(
        index * length + range.lowerBound..<index * length + range.upperBound,
        with: values[index * range.count..<(index + 1) * range.count])
    }
  }

  /// Some elements of every vector, one vector behind another.
  fileprivate func part(_ range: Range<Int>) -> [Float] {
    var values: [Float] = []
    values.reserveCapacity(count * range.count)
    for index in 0..<count { values += elements[index * length + range.lowerBound..<index * length + range.upperBound] }
    return values
  }

  fileprivate func packed(_ factor: StridedFactor, _ kernels: KernelSet) throws -> PackedRight {
    try unsafe PackedRight(factor, in: elements.span.bytes, kernels: kernels)
  }
}
