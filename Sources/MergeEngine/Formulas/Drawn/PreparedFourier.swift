import MergePlanning
import TileKernels

/// The real part of an inverse Fourier transform of few values, as a product: with R rows, C columns and values v at (r, c)
///
///     delta[m, n] = sum over u of cos(2 pi u m / R) P[u, n] - sin(2 pi u m / R) Q[u, n]
///     P[u, n] = sum of v cos(2 pi c n / C) / (R C),  Q[u, n] = sum of +-v sin(2 pi c n / C) / (R C)
///
/// where r is u, or R - u with the sign of Q turned. P and Q are computed in double and rounded to fp32; the sums over u are fp32
/// ones of 128 products each, which are added up in order.
struct PreparedFourier: PreparedFormula {
  /// A row of the right factors: how many times the phase goes around over all rows, and whether its sine counts.
  private struct Wave {
    let frequency: Int
    let isSine: Bool
  }

  private let waves: [Wave]
  /// `P` and `Q`, so many rows in each.
  private let factors: [PackedRight]
  /// Of the phases of the rows.
  private let cosines: [Float]
  private let sines: [Float]
  let columns: Int

  private static let blockLength = 128

  static func memory(_ place: StepPlace, rows: Int, columns: Int, count: Int, work: Int) -> StepMemory {
    let waves = min(2 * count, rows + 2)
    let blocks = (waves - 1) / blockLength + 1
    let packed = (try? PackedRight.byteCount(columns: columns, rank: min(waves, blockLength))) ?? 0
    var memory = StepMemory(
      shared: blocks * packed + waves * 16 + rows * 2 * 4,
      work: work + columns * 2 * 8 + columns * 2 * 8 + min(waves, blockLength) * columns * 4 + rows * 2 * 8)
    memory.products = KernelSet.scratchByteCount(rows: place.tileRows, rank: blockLength)
    memory.widest = blockLength
    return memory
  }

  init(
    _ values: [Float], _ places: [(row: Int, column: Int)], rows: Int, columns: Int, _ kernels: KernelSet
  ) throws {
    self.columns = columns
    let down = Circle(parts: rows)
    (cosines, sines) = (down.cosines.map { Float($0) }, down.sines.map { Float($0) })
    let across = Circle(parts: columns)
    // In the order of the frequencies, those of one in the order of the values.
    var order: [(frequency: Int, isTurned: Bool, index: Int)] = []
    for (index, place) in places.enumerated() {
      order.append((min(place.row, rows - place.row), place.row > rows - place.row, index))
    }
    order.sort { one, other in
      one.frequency == other.frequency ? one.index < other.index : one.frequency < other.frequency
    }
    var waves: [Wave] = []
    var factors: [PackedRight] = []
    var block: [Float] = []
    var (cosine, sine) = ([Double](repeating: 0, count: columns), [Double](repeating: 0, count: columns))
    func pack() throws {
      factors.append(
        try PackedRight(rowMajor: block, rows: block.count / columns, columns: columns, kernels: kernels))
      block.removeAll(keepingCapacity: true)
    }
    let size = Double(rows) * Double(columns)
    var next = 0
    while next < order.count {
      let frequency = order[next].frequency
      for column in 0..<columns { (cosine[column], sine[column]) = (0, 0) }
      while next < order.count, order[next].frequency == frequency {
        let (value, column) = (Double(values[order[next].index]), places[order[next].index].column)
        let turned = order[next].isTurned ? -value : value
        var phase = 0
        for index in 0..<columns {
          cosine[index] += value * across.cosines[phase]
          sine[index] += turned * across.sines[phase]
          phase += column
          if phase >= columns { phase -= columns }
        }
        next += 1
      }
      // The sines of no wave and of the shortest are zero.
      let isAlone = frequency == 0 || 2 * frequency == rows
      for isSine in isAlone ? [false] : [false, true] {
        waves.append(Wave(frequency: frequency, isSine: isSine))
        for value in isSine ? sine : cosine { block.append(Float(value / size)) }
        if block.count == Self.blockLength * columns { try pack() }
      }
    }
    if !block.isEmpty { try pack() }
    self.waves = waves
    self.factors = factors
  }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    let period = cosines.count
    var left: [Float] = []
    for (number, factor) in factors.enumerated() {
      let own = waves[number * Self.blockLength..<min((number + 1) * Self.blockLength, waves.count)]
      left.removeAll(keepingCapacity: true)
      for row in rows {
        for wave in own {
          let phase = wave.frequency * row % period
          left.append(wave.isSine ? -sines[phase] : cosines[phase])
        }
      }
      try delta.addProduct(
        left.span, factor, rows: rows.count, scale: scale, at: offset, rowStride: rowStride, scratch.kernels)
    }
  }
}
