import Inspection
import MergePlanning
import Safetensors

/// Dequantizes a weight a second time, element by element and by formulas instead of tables
/// (`docs/internals/quantization.md`). Shares nothing with the merge but the plan.
///
/// One object a thread: it keeps what it read last.
struct PlainDecoder {
  let weight: QuantizedWeight
  private let shape: [Int]
  let files: OpenFiles
  private var codes: [UInt8] = []
  private var codeRange = 0..<0
  private var scales: [Float] = []
  private var scaleRange = 0..<0
  var values: [Float] = []

  init(_ weight: QuantizedWeight, shape: [Int], _ files: OpenFiles) {
    self.weight = weight
    self.shape = shape
    self.files = files
  }

  /// Reads a run of elements of the tensor, in its order, rounded to the weight's dtype.
  mutating func read(_ elements: Range<Int>, into buffer: inout [UInt8]) throws(SafetensorsError) {
    guard let type = PlainArithmetic.type(weight.dtype) else {
      throw SafetensorsError(
        path: files.path(of: weight.codes.input), .schema("\(weight.dtype.name) is not computed on"))
    }
    if values.count < elements.count { values = [Float](repeating: 0, count: elements.count) }
    let byteCount = elements.count * PlainArithmetic.byteCount(type)
    if buffer.count < byteCount { buffer = [UInt8](repeating: 0, count: byteCount) }
    switch weight.format {
    case .blocks(let grid): try decodeBlocks(grid, elements)
    case .numbers: try decodeNumbers(elements)
    case .integers(let grid, let zeros): try decodeBlocks(grid, elements, zeros: zeros)
    case .int8Rows: try decodeRows(elements)
    case .nibbles(let nibbles, let block, let nested): try decodeNibbles(nibbles, block: block, nested, elements)
    case .mxfp4: try decodeExperts(elements)
    case .packedRows(let packed): try decodePackedRows(packed, elements)
    case .packedColumns(let packed): try decodePackedColumns(packed, elements)
    }
    // Codes have no NaN of their own: each is the plain one.
    for index in 0..<elements.count where values[index].isNaN { values[index] = .nan }
    PlainArithmetic.round(values, as: type, count: elements.count, into: &buffer)
  }

  // MARK: - Reading

  /// Makes ``codes`` the bytes `range` of the codes.
  mutating func readCodes(_ range: Range<Int>) throws(SafetensorsError) {
    guard codeRange.lowerBound > range.lowerBound || codeRange.upperBound < range.upperBound || codes.isEmpty else {
      return
    }
    try files.read(weight.codes.input, Self.shifted(range, weight.codes), into: &codes)
    codeRange = range
  }

  func code(_ byte: Int) -> UInt8 { codes[byte - codeRange.lowerBound] }

  /// Makes ``scales`` those of `range`.
  mutating func readScales(_ range: Range<Int>) throws(SafetensorsError) {
    guard scaleRange.lowerBound > range.lowerBound || scaleRange.upperBound < range.upperBound || scales.isEmpty else {
      return
    }
    scales = try numbers(weight.scales, range)
    scaleRange = range
  }

  func scale(_ index: Int) -> Float { scales[index - scaleRange.lowerBound] }

  /// Some elements of a tensor of scales as fp32.
  func numbers(_ source: MergePlan.Source, _ range: Range<Int>) throws(SafetensorsError) -> [Float] {
    var bytes: [UInt8] = []
    let size = source.dtype.bitCount / 8
    try files.read(
      source.input, Self.shifted(range.lowerBound * size..<range.upperBound * size, source), into: &bytes)
    if let type = PlainArithmetic.type(source.dtype) {
      var values = [Float](repeating: 0, count: range.count)
      PlainArithmetic.widen(bytes, as: type, count: range.count, into: &values)
      return values
    }
    let largest: Float = source.dtype == .f8E8M0 ? .nan : .infinity
    return bytes.prefix(range.count).map { code in
      switch source.dtype {
      case .f8E8M0, .u8: code == 255 ? largest : Float(sign: .plus, exponent: Int(code) - 127, significand: 1)
      case .f8E4M3: Self.float8(code, exponentBits: 4)
      default: Float(Int8(bitPattern: code))
      }
    }
  }

  static func shifted(_ range: Range<Int>, _ source: MergePlan.Source) -> Range<Int> {
    source.range.lowerBound + range.lowerBound..<source.range.lowerBound + range.upperBound
  }

  // MARK: - Formats

  /// `(1 + m / 2^M) 2^(e - bias)`, or `m / 2^M 2^(1 - bias)` where e is 0.
  static func float8(_ code: UInt8, exponentBits: Int) -> Float {
    let fractionBits = 7 - exponentBits
    let (bias, steps) = (1 << (exponentBits - 1) - 1, 1 << fractionBits)
    let exponent = Int(code & 0x7F) >> fractionBits
    let fraction = Int(code & 0x7F) % steps
    let magnitude: Float
    if exponentBits == 4, code & 0x7F == 0x7F {
      magnitude = .nan
    } else if exponentBits == 5, exponent == 31 {
      magnitude = fraction == 0 ? .infinity : .nan
    } else {
      let whole = exponent == 0 ? 0 : steps
      magnitude = Float(
        sign: .plus, exponent: max(exponent, 1) - bias - fractionBits, significand: Float(whole + fraction))
    }
    return code < 0x80 ? magnitude : -magnitude
  }

  private mutating func decodeBlocks(
    _ grid: QuantizedWeight.Grid, _ elements: Range<Int>, zeros zeroSource: MergePlan.Source? = nil
  ) throws(SafetensorsError) {
    guard !elements.isEmpty else { return }
    try readCodes(elements)
    func block(_ element: Int) -> Int {
      let (row, column) = element.quotientAndRemainder(dividingBy: grid.columns)
      let (matrix, inner) = row.quotientAndRemainder(dividingBy: grid.rows)
      return (matrix * grid.scaleRows + inner / grid.blockRows) * grid.scaleColumns + column / grid.blockColumns
    }
    // Along a row the blocks follow each other, and start again in the next one of the same blocks.
    let first = elements.lowerBound / grid.columns * grid.columns
    let last = (elements.upperBound - 1) / grid.columns * grid.columns
    let places = block(first)..<block(last) + grid.scaleColumns
    try readScales(places)
    let zeros = try zeroSource.map { source throws(SafetensorsError) in try numbers(source, places) }
    let dtype = weight.codes.dtype
    for element in elements {
      let code = code(element)
      let number =
        dtype == .i8 ? Float(Int8(bitPattern: code)) : Self.float8(code, exponentBits: dtype == .f8E5M2 ? 5 : 4)
      let zero = zeros.map { $0[block(element) - places.lowerBound] } ?? 0
      values[element - elements.lowerBound] = (number - zero) * scale(block(element))
    }
  }

  private mutating func decodeNumbers(_ elements: Range<Int>) throws(SafetensorsError) {
    guard !elements.isEmpty else { return }
    try readCodes(elements)
    let bits = weight.codes.dtype == .f8E5M2 ? 5 : 4
    for element in elements {
      values[element - elements.lowerBound] = Self.float8(code(element), exponentBits: bits)
    }
  }

  /// bitsandbytes multiplies by the number next to 1 / 127.
  private mutating func decodeRows(_ elements: Range<Int>) throws(SafetensorsError) {
    let columns = shape[shape.count - 1]
    guard !elements.isEmpty else { return }
    try readCodes(elements)
    try readScales(elements.lowerBound / columns..<(elements.upperBound - 1) / columns + 1)
    for element in elements {
      let product = Float(Int8(bitPattern: code(element))) * scale(element / columns)
      values[element - elements.lowerBound] = product * (1 / 127)
    }
  }

  /// The 16 numbers of the file.
  private mutating func decodeNibbles(
    _ nibbles: QuantizedWeight.FourBitCodebook, block: Int, _ nested: QuantizedWeight.Nested?, _ elements: Range<Int>
  ) throws(SafetensorsError) {
    guard !elements.isEmpty, let map = weight.map else { return }
    let table = try numbers(map, 0..<16)
    try readCodes(elements.lowerBound / 2..<(elements.upperBound - 1) / 2 + 1)
    let blocks = elements.lowerBound / block..<(elements.upperBound - 1) / block + 1
    if let nested {
      let numbersOfCodes = try numbers(nested.map, 0..<256)
      var bytes: [UInt8] = []
      try files.read(weight.scales.input, Self.shifted(blocks, weight.scales), into: &bytes)
      let outer = blocks.lowerBound / nested.block..<(blocks.upperBound - 1) / nested.block + 1
      let outerScales = try numbers(nested.scales, outer)
      scales = blocks.map { block in
        let product =
          numbersOfCodes[Int(bytes[block - blocks.lowerBound])] * outerScales[block / nested.block - outer.lowerBound]
        return product + nested.offset
      }
      scaleRange = blocks
    } else {
      try readScales(blocks)
    }
    for element in elements {
      let pair = code(element / 2)
      values[element - elements.lowerBound] =
        table[Int(element % 2 == 0 ? pair >> 4 : pair & 15)] * scale(element / block)
    }
  }

  /// Element (e, k, n) of a stack has its code at (e, n, k / 2) and its scale at (e, n, k / 32).
  private mutating func decodeExperts(_ elements: Range<Int>) throws(SafetensorsError) {
    let (rows, columns) = (shape[1], shape[2])
    guard !elements.isEmpty else { return }
    let size = rows * columns
    for matrix in elements.lowerBound / size..<(elements.upperBound - 1) / size + 1 {
      let part = elements.clamped(to: matrix * size..<(matrix + 1) * size)
      try readCodes(matrix * size / 2..<(matrix + 1) * size / 2)
      try readScales(matrix * size / 32..<(matrix + 1) * size / 32)
      for element in part {
        let (row, column) = (element - matrix * size).quotientAndRemainder(dividingBy: columns)
        let place = matrix * size + column * rows + row
        let pair = code(place / 2)
        let number = Self.e2m1(row % 2 == 0 ? pair & 15 : pair >> 4)
        let scale = scale(place / 32)
        // The byte 255 is 2^128 here, which fp32 doesn't have.
        values[element - elements.lowerBound] = scale == .infinity ? number * 0x1p127 * 2 : number * scale
      }
    }
  }

  /// The sign, two bits of exponent and one of fraction.
  static func e2m1(_ code: UInt8) -> Float {
    let exponent = Int(code >> 1 & 3)
    let magnitude = exponent == 0 ? Float(code & 1) / 2 : Float(2 + code & 1) * Float(1 << (exponent - 1)) / 2
    return code < 8 ? magnitude : -magnitude
  }
}
