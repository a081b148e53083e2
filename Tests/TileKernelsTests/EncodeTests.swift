import Testing
import TileKernels

@Suite("Codes of E4M3")
struct EncodeTests {
  /// The numbers by code, without the sign.
  private static let numbers: [Double] = (0..<127).map { code in
    let (exponent, fraction) = (code >> 3, Double(code & 7))
    return exponent == 0
      ? fraction / 512 : (8 + fraction) * Double(sign: .plus, exponent: exponent - 10, significand: 1)
  }

  private static func nearest(_ value: Float) -> UInt8 {
    guard !value.isNaN else { return 0x7F }
    let magnitude = min(Double(abs(value)), 448)
    let code = numbers.indices.min { one, other in
      let (near, far) = (abs(numbers[one] - magnitude), abs(numbers[other] - magnitude))
      return near == far ? one % 2 == 0 && other % 2 == 1 : near < far
    }
    return UInt8(code ?? 0) | (value.sign == .minus ? 0x80 : 0)
  }

  /// Every number, every half way between two with its neighbors, and what is not finite.
  private static let values: [Float] = {
    var values: [Float] = [0, -0.0, .nan, -.nan, .infinity, -.infinity, .leastNonzeroMagnitude, 464, 480, 1e30]
    for (number, next) in zip(numbers, numbers.dropFirst()) {
      let half = Float((number + next) / 2)
      for value in [Float(number), half.nextDown, half, half.nextUp] { values += [value, -value] }
    }
    return values
  }()

  private func codes(
    _ values: [Float], by scale: QuantizationKernels.CodeScale, _ kernels: KernelSet
  ) throws -> [UInt8] {
    var codes = [UInt8](repeating: 0xA5, count: values.count)
    var span = codes.mutableSpan
    let part = MatrixPart(first: 0, rows: 1, columns: values.count, stride: values.count)
    try kernels.quantizing.encodeE4M3(values.span.bytes, part, by: scale, into: &span)
    return codes
  }

  @Test("The nearest number, halves to even, in every variant")
  func nearestEven() throws {
    let expected = Self.values.map(Self.nearest)
    for kernels in KernelSet.available {
      #expect(try codes(Self.values, by: .factor(1), kernels) == expected, "\(kernels.name)")
      #expect(try codes(Self.values, by: .divisor(1), kernels) == expected, "\(kernels.name)")
    }
  }

  @Test("Any bits, multiplied and divided")
  func anyBits() throws {
    var random = SeededGenerator()
    for count in 0...70 {
      let values = random.bits(count, .f32).map { Float(bitPattern: $0) }
      let scale = Float(bitPattern: UInt32(random.next() >> 34) | 0x3000_0000)
      for kernels in KernelSet.available {
        let products = try codes(values, by: .factor(scale), kernels)
        #expect(products == values.map { Self.nearest($0 * scale) }, "\(kernels.name), \(random)")
        let quotients = try codes(values, by: .divisor(scale), kernels)
        #expect(quotients == values.map { Self.nearest($0 / scale) }, "\(kernels.name), \(random)")
      }
    }
  }

  @Test("A part of a matrix: the largest finite magnitude, the codes there alone, and what became of them")
  func parts() throws {
    var random = SeededGenerator()
    let (rows, columns) = (7, 45)
    let values = random.bits(rows * columns, .f32).map { Float(bitPattern: $0) }
    let delta = random.bits(rows * columns, .f32).map { Float(bitPattern: $0) }
    let before = (0..<rows * columns).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    for kernels in KernelSet.available {
      for part in [
        MatrixPart(first: 0, rows: rows, columns: columns, stride: columns),
        MatrixPart(first: columns + 9, rows: 3, columns: 33, stride: columns),
        MatrixPart(first: 44, rows: 7, columns: 1, stride: columns),
        MatrixPart(first: 3, rows: 0, columns: 5, stride: columns),
      ] {
        let places = (0..<part.rows).flatMap { row in
          (0..<part.columns).map { part.first + row * part.stride + $0 }
        }
        let largest = places.map { abs(values[$0]) }.filter(\.isFinite).max() ?? 0
        #expect(try kernels.quantizing.largestFinite(values.span.bytes, part) == largest, "\(kernels.name), \(random)")
        var codes = [UInt8](repeating: 0xA5, count: values.count)
        var span = codes.mutableSpan
        try kernels.quantizing.encodeE4M3(values.span.bytes, part, by: .factor(0.5), into: &span)
        for index in codes.indices {
          let expected = places.contains(index) ? Self.nearest(values[index] * 0.5) : 0xA5
          #expect(codes[index] == expected, "\(kernels.name), \(index), \(random)")
        }
        for intention in [KernelSet.Intention.deltas, .values] {
          let found = try kernels.quantizing.compareCodes(
            codes.span, before: before.span, weight: values.span.bytes, intended: delta.span, are: intention, scale: 2,
            part)
          #expect(found.changed == UInt64(places.count { codes[$0] != before[$0] }))
          let reached = places.count { place in
            let change = intention == .deltas ? delta[place] : delta[place] - values[place]
            let code = Int(codes[place] & 0x7F)
            let step = code < 126 ? Self.numbers[code + 1] - Self.numbers[code] : 32
            return change.isNaN || (change != 0 && abs(Double(change)) >= step)
          }
          #expect(found.halfSteps == UInt64(reached), "\(kernels.name), \(random)")
        }
      }
    }
  }

  @Test("Parts that leave their matrix are refused")
  func refusesParts() throws {
    let values = [Float](repeating: 1, count: 12)
    var codes = [UInt8](repeating: 0, count: 12)
    for part in [
      MatrixPart(first: 1, rows: 3, columns: 4, stride: 4), MatrixPart(first: 0, rows: 2, columns: 5, stride: 4),
      MatrixPart(first: -1, rows: 1, columns: 1, stride: 4),
      MatrixPart(first: 0, rows: .max, columns: 2, stride: 4),
    ] {
      #expect(throws: ShapeError.self) { _ = try KernelSet.best.quantizing.largestFinite(values.span.bytes, part) }
      var span = codes.mutableSpan
      var isRefused = false
      do throws(ShapeError) {
        try KernelSet.best.quantizing.encodeE4M3(values.span.bytes, part, by: .factor(1), into: &span)
      } catch { isRefused = true }
      #expect(isRefused)
    }
  }
}
