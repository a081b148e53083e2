import MergePlanning
import TileKernels

/// One level of an inverse wavelet transform of few values, as PEFT computes it: each value is a patch, the product of one filter
/// down the rows and one along the columns. Sums are in double, each element is rounded to fp32 once.
///
/// PEFT puts the values in the middle of a matrix that is larger by the filter's length less 2, and even; its four quarters are the
/// bands. To the right are those whose patches have the high-pass filter down the rows, below those that have it along the columns.
///
/// Source: PEFT 0.21.2 `WaveFTLayer.get_delta_weight`, `waverec2d`.
struct PreparedWavelets: PreparedFormula {
  private struct Patch {
    let value: Double
    /// Where it begins, and its filters.
    let row: Int
    let isHighDown: Bool
    let column: Int
    let isHighAcross: Bool
  }

  /// In the order of their rows.
  private let patches: [Patch]
  private let low: [Double]
  private let high: [Double]
  let columns: Int

  init(
    _ values: [Float], _ places: [(row: Int, column: Int)], rows: Int, columns: Int, _ filter: [Double]
  ) {
    self.columns = columns
    low = filter
    high = filter.indices.map { ($0 % 2 == 0 ? 1 : -1) * filter[filter.count - 1 - $0] }
    let (down, across) = (Band(rows, filter.count), Band(columns, filter.count))
    let patches = zip(values, places).map { value, place -> Patch in
      let (vertical, horizontal) = (down.place(place.row), across.place(place.column))
      return Patch(
        value: Double(value), row: vertical.start, isHighDown: horizontal.isHigh, column: horizontal.start,
        isHighAcross: vertical.isHigh)
    }
    let order = patches.indices.sorted { (one: Int, other: Int) -> Bool in
      patches[one].row == patches[other].row ? one < other : patches[one].row < patches[other].row
    }
    self.patches = order.map { patches[$0] }
  }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    var part = scratch.parts.popLast() ?? FloatBuffer()
    var sums = [Double](repeating: 0, count: columns)
    for row in rows {
      for index in sums.indices { sums[index] = 0 }
      for patch in patches[first(at: row - low.count + 1)..<first(at: row + 1)] { add(patch, row, to: &sums) }
      part.set(sums)
      try delta.addScaled(
        part, rows: 1, columns: columns, scale: scale, at: offset + (row - rows.lowerBound) * rowStride,
        rowStride: rowStride, scratch.kernels)
    }
    scratch.parts.append(part)
  }

  private func add(_ patch: Patch, _ row: Int, to sums: inout [Double]) {
    let factor = patch.value * (patch.isHighDown ? high : low)[row - patch.row]
    let filter = patch.isHighAcross ? high : low
    for column in max(0, patch.column)..<max(0, min(columns, patch.column + filter.count)) {
      sums[column] += factor * filter[column - patch.column]
    }
  }

  /// The first patch that does not begin before a row.
  private func first(at row: Int) -> Int {
    var (low, high) = (0, patches.count)
    while low < high {
      let middle = (low + high) / 2
      if patches[middle].row < row { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Where values lie along one side of the matrix.
  private struct Band {
    private let half: Int
    private let offset: Int
    private let length: Int

    init(_ size: Int, _ length: Int) {
      self.length = length
      let padded = (size + length - 1) / 2 * 2
      half = padded / 2
      offset = (padded - size) / 2
    }

    /// Where the patch of a value begins, and whether it is in the second half.
    func place(_ index: Int) -> (start: Int, isHigh: Bool) {
      let place = index + offset
      return (2 * (place % half) - (length - 2), place >= half)
    }
  }
}
