import TileKernels

/// A matrix whose rows are put together of smaller matrices, which are computed once for the rows of a tile.
///
/// A row goes from a first-level cache into the result: no delta of the tile is in memory.
protocol PreparedRows: PreparedFormula {
  /// The smaller matrices' rows for some of its own.
  associatedtype Parts
  /// Rows that one computation of parts serves: one range or several, in order.
  func runs(of rows: Range<Int>) -> [Range<Int>]
  /// The parts of one of these runs, in buffers that were used before if there are some.
  func parts(of run: Range<Int>, _ scratch: inout FactorScratch) throws -> Parts
  /// Sets elements of a buffer from `offset` on to `scale` times a row.
  func setRow(
    _ row: Int, of parts: Parts, scale: Float, _ buffer: inout FloatBuffer, at offset: Int, _ kernels: KernelSet
  ) throws
  /// Their buffers, to be used again.
  func buffers(of parts: Parts) -> [FloatBuffer]
}

extension PreparedRows {
  func runs(of rows: Range<Int>) -> [Range<Int>] { [rows] }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    var whole = scratch.parts.popLast() ?? FloatBuffer()
    whole.grow(to: columns)
    for run in runs(of: rows) {
      let parts = try parts(of: run, &scratch)
      for row in run {
        try setRow(row, of: parts, scale: scale, &whole, at: 0, scratch.kernels)
        try delta.add(whole, count: columns, at: offset + (row - rows.lowerBound) * rowStride, scratch.kernels)
      }
      scratch.parts += buffers(of: parts)
    }
    scratch.parts.append(whole)
  }

  func set(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, _ scratch: inout FactorScratch
  ) throws {
    for run in runs(of: rows) {
      let parts = try parts(of: run, &scratch)
      for row in run {
        let place = offset + (row - rows.lowerBound) * columns
        try setRow(row, of: parts, scale: scale, &delta, at: place, scratch.kernels)
      }
      scratch.parts += buffers(of: parts)
    }
  }

  func merge(_ tile: Tile, weight: RawSpan, scale: Float, _ buffers: inout TileBuffers) throws -> UInt64? {
    buffers.delta.grow(to: columns)
    var overflows: UInt64 = 0
    for run in runs(of: tile.rows) {
      let parts = try parts(of: run, &buffers.scratch)
      for row in run {
        try setRow(row, of: parts, scale: scale, &buffers.delta, at: 0, buffers.kernels)
        overflows += try buffers.delta.merge(row..<row + 1, of: tile, weight, into: &buffers.output, buffers.kernels)
      }
      buffers.scratch.parts += self.buffers(of: parts)
    }
    return overflows
  }
}
