import Adapters
import Inspection
import TorchRandom

/// Rows of a transform of few values: in double, of an inverse Fourier transform by a fast one of each row, of wavelets by what each
/// value adds; in fp32 those of wavelets rounded, and those of the other as sums of products, as the merge promises.
struct PlainSpectrum: PlainFormula {
  private typealias Complex = (real: Double, imaginary: Double)

  /// A wave down the rows with what it is multiplied by in each column.
  private struct Wave {
    let frequency: Int
    let isSine: Bool
    let factors: [Float]
  }

  private enum Transform {
    /// The roots of 1 for rows and columns.
    case fourier(down: [Complex], across: [Complex], waves: [Wave])
    case wavelet(low: [Double], high: [Double])
  }

  private let values: [Double]
  private let places: [(row: Int, column: Int)]
  private let extent: (rows: Int, columns: Int)
  private let transform: Transform

  /// The merge sums blocks of so many products of numbers that were rounded before.
  private static let blockLength = 128

  var rank: Int {
    if case .fourier(_, _, let waves) = transform { Self.blockLength + 8 + waves.count / Self.blockLength } else { 2 }
  }

  /// The formula of a spectrum with these values.
  static func plain<Operand: Equatable & Sendable>(
    _ spectrum: Spectrum<Operand>, values: [Float]
  ) -> any PlainFormula {
    var generator = TorchGenerator(seed: spectrum.seed)
    let found = generator.permutation(of: spectrum.rows * spectrum.columns, first: values.count)
    let places = found.map { place in
      let pair = (row: place / spectrum.columns, column: place % spectrum.columns)
      return spectrum.isTransposed ? (row: pair.column, column: pair.row) : pair
    }
    let extent =
      spectrum.isTransposed
      ? (rows: spectrum.columns, columns: spectrum.rows) : (rows: spectrum.rows, columns: spectrum.columns)
    let transform: Transform
    switch spectrum.transform {
    case .none: return PlainScatter(values: values, places: places, columns: extent.columns)
    case .fourier:
      func roots(_ count: Int) -> [Complex] { (0..<count).map { root($0, of: count) } }
      let across = roots(extent.columns)
      transform = .fourier(
        down: roots(extent.rows), across: across, waves: waves(values, places, extent, across))
    case .wavelet(let low):
      var (high, sign) = ([Double](), 1.0)
      for number in low.reversed() {
        high.append(sign * number)
        sign = -sign
      }
      transform = .wavelet(low: low, high: high)
    }
    return PlainSpectrum(values: values.map(Double.init), places: places, extent: extent, transform: transform)
  }

  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    let wide = elements(row)
    if case .fourier(let down, _, let waves) = transform {
      let before = Array(exact[place..<place + columns])
      let phases = waves.map { wave in
        let turn = down[wave.frequency * row % extent.rows]
        return Float(wave.isSine ? -turn.imaginary : turn.real)
      }
      for first in stride(from: 0, to: waves.count, by: Self.blockLength) {
        let block = first..<min(first + Self.blockLength, waves.count)
        PlainArithmetic.addProduct(
          left: Array(phases[block]), row: 0, right: waves[block].flatMap(\.factors), rank: block.count,
          columns: columns, scale: scale, to: &delta, &exact, at: place, &scratch.narrow, &scratch.wide)
      }
      for column in 0..<columns { exact[place + column] = before[column] + Double(scale) * wide[column] }
      return
    }
    for column in 0..<columns {
      let scaled = scale * Float(wide[column])
      delta[place + column] += scaled
      exact[place + column] += Double(scale) * wide[column]
    }
  }

  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    switch transform {
    case .fourier:
      let sum = values.reduce(0) { $0 + abs($1) } / Double(extent.rows * extent.columns)
      for column in 0..<columns { sums[place + column] += Double(abs(scale)) * sum }
    case .wavelet(let low, let high):
      var magnitudes = [Double](repeating: 0, count: columns)
      addPatches(row, low.map { abs($0) }, high.map { abs($0) }, values.map { abs($0) }, to: &magnitudes)
      for column in 0..<columns { sums[place + column] += Double(abs(scale)) * magnitudes[column] }
    }
  }

  private func elements(_ row: Int) -> [Double] {
    switch transform {
    case .fourier(let down, let across, _): return fourierRow(row, down, across)
    case .wavelet(let low, let high):
      var sums = [Double](repeating: 0, count: extent.columns)
      addPatches(row, low, high, values, to: &sums)
      return sums
    }
  }

  // MARK: - Wavelets

  private func addPatches(
    _ row: Int, _ low: [Double], _ high: [Double], _ values: [Double], to sums: inout [Double]
  ) {
    let crop = low.count - 2
    func side(_ size: Int) -> (half: Int, margin: Int) {
      let whole = size + crop + (size + crop) % 2
      return (whole / 2, (whole - size) / 2)
    }
    let (vertical, horizontal) = (side(extent.rows), side(extent.columns))
    for (value, place) in zip(values, places) {
      let (y, x) = (place.row + vertical.margin, place.column + horizontal.margin)
      // Right quarters have the high filter down, lower ones along the columns.
      let (down, along) = (x < horizontal.half ? low : high, y < vertical.half ? low : high)
      let tap = row + crop - 2 * (y % vertical.half)
      guard down.indices.contains(tap) else { continue }
      for (number, factor) in along.enumerated() {
        let column = 2 * (x % horizontal.half) + number - crop
        if sums.indices.contains(column) { sums[column] += value * down[tap] * factor }
      }
    }
  }

  // MARK: - Fourier

  /// What the products are of: for each frequency up to the half of the rows a row of cosines and one of sines.
  private static func waves(
    _ values: [Float], _ places: [(row: Int, column: Int)], _ extent: (rows: Int, columns: Int), _ across: [Complex]
  ) -> [Wave] {
    var own: [Int: [Int]] = [:]
    for (index, place) in places.enumerated() {
      own[2 * place.row > extent.rows ? extent.rows - place.row : place.row, default: []].append(index)
    }
    let size = Double(extent.rows) * Double(extent.columns)
    return own.keys.sorted().flatMap { frequency in
      var (cosines, sines) = ([Float](), [Float]())
      for column in 0..<extent.columns {
        var (cosine, sine) = (0.0, 0.0)
        for index in own[frequency] ?? [] {
          let turn = across[places[index].column * column % extent.columns]
          cosine += Double(values[index]) * turn.real
          sine += Double(values[index]) * (places[index].row == frequency ? turn.imaginary : -turn.imaginary)
        }
        cosines.append(Float(cosine / size))
        sines.append(Float(sine / size))
      }
      let wave = Wave(frequency: frequency, isSine: false, factors: cosines)
      let isAlone = frequency == 0 || 2 * frequency == extent.rows
      return isAlone ? [wave] : [wave, Wave(frequency: frequency, isSine: true, factors: sines)]
    }
  }

  private func fourierRow(_ row: Int, _ down: [Complex], _ across: [Complex]) -> [Double] {
    var sums = [Complex](repeating: (0, 0), count: extent.columns)
    for (value, place) in zip(values, places) {
      let turn = down[place.row * row % extent.rows]
      sums[place.column].real += value * turn.real
      sums[place.column].imaginary += value * turn.imaginary
    }
    let size = Double(extent.rows * extent.columns)
    return Self.transformed(sums, across).map { $0.real / size }
  }

  /// The sums of `numbers[k] * e^(2 pi i k n / count)` for every n, by those of every p-th number, p being a prime.
  ///
  /// - Parameter roots: Of 1, a multiple of the count.
  private static func transformed(_ numbers: [Complex], _ roots: [Complex]) -> [Complex] {
    let count = numbers.count
    guard count > 1 else { return numbers }
    let prime = (2...count).first { count % $0 == 0 } ?? count
    let length = count / prime
    let parts = (0..<prime).map { first in
      transformed(stride(from: first, to: count, by: prime).map { numbers[$0] }, roots)
    }
    return (0..<count).map { n in
      var sum: Complex = (0, 0)
      for (first, part) in parts.enumerated() {
        let (turn, number) = (roots[first * n % count * (roots.count / count)], part[n % length])
        sum.real += number.real * turn.real - number.imaginary * turn.imaginary
        sum.imaginary += number.real * turn.imaginary + number.imaginary * turn.real
      }
      return sum
    }
  }

  /// `e^(2 pi i part / count)`, by the series of a small angle that is doubled four times.
  private static func root(_ part: Int, of count: Int) -> Complex {
    // Sums of exact zeros and ones have ties, which the smallest error would decide.
    switch 4 * part {
    case 0: return (1, 0)
    case count: return (0, 1)
    case 2 * count: return (-1, 0)
    case 3 * count: return (0, -1)
    default: break
    }
    let centered = 2 * part > count ? part - count : part
    let angle = Double(centered) / Double(count) * Double.pi / 8
    var (real, imaginary, term) = (0.0, 0.0, 1.0)
    for power in 0..<16 {
      switch power % 4 {
      case 0: real += term
      case 1: imaginary += term
      case 2: real -= term
      default: imaginary -= term
      }
      term *= angle / Double(power + 1)
    }
    for _ in 0..<4 { (real, imaginary) = (real * real - imaginary * imaginary, 2 * real * imaginary) }
    return (real, imaginary)
  }
}
