import Inspection
import MergePlanning
import Safetensors

extension PlainDecoder {
  /// Bytes of a tensor that are kept whole, because a row of a transposed matrix has some of every word.
  private func all(_ source: MergePlan.Source) throws(SafetensorsError) -> [UInt8] {
    var bytes: [UInt8] = []
    try files.read(source.input, source.range, into: &bytes)
    return Array(bytes.prefix(source.range.count))
  }

  /// The code of so many bits that comes after `index` others in a tensor, the first in the lowest bits.
  private static func code(_ bytes: [UInt8], _ index: Int, bits: Int) -> Int {
    let bit = index * bits
    return Int(bytes[bit / 8]) >> (bit % 8) & (1 << bits - 1)
  }

  mutating func decodePackedRows(
    _ packed: QuantizedWeight.PackedRows, _ elements: Range<Int>
  ) throws(SafetensorsError) {
    guard !elements.isEmpty else { return }
    let grid = packed.grid
    let rows = elements.lowerBound / grid.columns..<(elements.upperBound - 1) / grid.columns + 1
    try readCodes(rows.lowerBound * packed.rowByteCount..<rows.upperBound * packed.rowByteCount)
    let first = rows.lowerBound / grid.blockRows * grid.scaleColumns
    let places = first..<((rows.upperBound - 1) / grid.blockRows + 1) * grid.scaleColumns
    try readScales(places)
    var zeros: [UInt8] = []
    if let source = packed.zeros { zeros = try all(source) }
    var factor: Float = 1
    if let global = packed.globalScale { factor = try numbers(global.source, 0..<1)[0] }
    let biases = try packed.biases.map { source throws(SafetensorsError) in try numbers(source, places) }
    let bits = packed.bits
    for element in elements {
      let (row, column) = element.quotientAndRemainder(dividingBy: grid.columns)
      let byte = code(row * packed.rowByteCount + column * bits / 8)
      let number = Int(byte) >> (column * bits % 8) & (1 << bits - 1)
      let (scaleRow, scaleColumn) = (row / grid.blockRows, column / grid.blockColumns)
      let place = scaleRow * grid.scaleColumns + scaleColumn
      var value: Float
      switch packed.numbers {
      case .e2m1:
        let scale = scale(place)
        let combined =
          packed.globalScale.map { $0.isDivisor ? scale / factor : scale * factor } ?? scale
        value = Self.e2m1(UInt8(number)) * combined
      case .integers(_, let offset):
        var zero = offset
        if !zeros.isEmpty {
          // As many rows in a word as fit; words of the same rows lie side by side.
          let perWord = 32 / bits
          let word = scaleRow / perWord * grid.scaleColumns + scaleColumn
          zero = Self.code(zeros, word * perWord + scaleRow % perWord, bits: bits)
        }
        value = Float(number - zero) * scale(place)
      }
      if let biases { value = rounded(value) + biases[place - places.lowerBound] }
      values[element - elements.lowerBound] = value
    }
  }

  /// A number as the weight's dtype has it.
  private func rounded(_ value: Float) -> Float {
    guard let type = PlainArithmetic.type(weight.dtype) else { return value }
    var bytes = [UInt8](repeating: 0, count: 4)
    var values: [Float] = [value]
    PlainArithmetic.round(values, as: type, count: 1, into: &bytes)
    PlainArithmetic.widen(bytes, as: type, count: 1, into: &values)
    return values[0]
  }

  mutating func decodePackedColumns(
    _ packed: QuantizedWeight.PackedColumns, _ elements: Range<Int>
  ) throws(SafetensorsError) {
    guard !elements.isEmpty else { return }
    let (rows, columns, bits) = (packed.rows, packed.columns, packed.bits)
    let perWord = 32 / bits
    try readCodes(0..<rows * columns * bits / 8)
    try readScales(0..<packed.groupCount * rows)
    let zeros = try all(packed.zeros)
    var groups: [UInt8] = []
    if let source = packed.groupOfColumn { groups = try all(source) }
    let awqPlaces = [0, 4, 1, 5, 2, 6, 3, 7]
    for element in elements {
      let (row, column) = element.quotientAndRemainder(dividingBy: columns)
      let group =
        groups.isEmpty
        ? column / packed.group
        : Int(groups[column * 4]) | Int(groups[column * 4 + 1]) << 8 | Int(groups[column * 4 + 2]) << 16
      let word: Int
      let place: Int
      switch packed.order {
      case .gptq: (word, place) = (column / perWord * rows + row, column % perWord)
      case .awq: (word, place) = (column * rows / perWord + row / perWord, awqPlaces[row % perWord])
      }
      let number = Int(code(word * 4 + place * bits / 8)) >> (place * bits % 8) & (1 << bits - 1)
      let zeroPlace = packed.order == .awq ? awqPlaces[row % perWord] : row % perWord
      let zero = Self.zero(
        zeros, word: group * rows / perWord + row / perWord, place: zeroPlace, bits: bits, packed.storedZeros)
      values[element - elements.lowerBound] = Float(number - zero) * scale(group * rows + row)
    }
  }

  /// A zero point as its reader takes it.
  private static func zero(
    _ bytes: [UInt8], word: Int, place: Int, bits: Int, _ stored: QuantizedWeight.PackedColumns.Zeros
  ) -> Int {
    switch stored {
    case .plain: return code(bytes, word * (32 / bits) + place, bits: bits)
    case .lessOne: return code(bytes, word * (32 / bits) + place, bits: bits) + 1
    case .lessOneByWord:
      let value = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[word * 4 + $1]) << UInt32(8 * $1) }
      // One in each place of the word.
      let ones = UInt32.max / UInt32(1 << bits - 1)
      return Int((value &+ ones) >> UInt32(place * bits)) & (1 << bits - 1)
    }
  }
}
