import MergePlanning
import TileKernels

extension Requantization {
  /// How many bands a job has: as many as fit in a tile, at least one; of scales that took a pass over the tensor all.
  func bandsPerTile(_ update: TensorUpdate, _ tileSize: TileSize) -> Int {
    if hasLargeBands { return max(1, bandCount(rows: update.rows)) }
    let height = max(1, min(grid.blockRows, grid.rows))
    // So many bands hold whole units of rows.
    let unit = TensorUpdate.leastCommonMultiple(height, update.rowUnit) / height
    return (max(1, tileSize.rows(columns: update.columns) / height) + unit - 1) / unit * unit
  }

  func bands(ofTile position: Int, _ bandsPerTile: Int, rows: Int) -> Range<Int> {
    let first = position * bandsPerTile
    return first..<min(first + bandsPerTile, bandCount(rows: rows))
  }

  func rows(ofBands bands: Range<Int>) -> Range<Int> {
    firstRow(ofBand: bands.lowerBound)..<firstRow(ofBand: bands.upperBound)
  }

  /// The most rows that a worker holds at once.
  func tileRows(_ update: TensorUpdate, _ tileSize: TileSize) -> Int {
    if hasLargeBands { return min(update.rows, tileSize.rows(update)) }
    return min(update.rows, bandsPerTile(update, tileSize) * min(grid.blockRows, grid.rows))
  }

  /// The blocks that these rows are in, a band after another.
  ///
  /// - Parameter firstBand: The band whose first block has the number 0.
  func blocks(in rows: Range<Int>, firstBand: Int) -> [(number: Int, part: MatrixPart)] {
    var parts: [(number: Int, part: MatrixPart)] = []
    var row = rows.lowerBound
    while row < rows.upperBound {
      let band = band(ofRow: row)
      let end = min(firstRow(ofBand: band + 1), rows.upperBound)
      for block in 0..<grid.scaleColumns {
        let first = block * grid.blockColumns
        parts.append(
          (
            (band - firstBand) * grid.scaleColumns + block,
            MatrixPart(
              first: (row - rows.lowerBound) * grid.columns + first, rows: end - row,
              columns: min(grid.blockColumns, grid.columns - first), stride: grid.columns)
          ))
      }
      row = end
    }
    return parts
  }
}
