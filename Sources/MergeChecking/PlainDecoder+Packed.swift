import MergePlanning
import Safetensors

extension PlainDecoder {
  /// Bytes of a tensor that are kept whole, because a row of a transposed matrix has some of every word.
  private func all(_ source: MergePlan.Source) throws(SafetensorsError) -> [UInt8] {
    var bytes: [UInt8] = []
    try files.read(source.input, source.range, into: &bytes)
    return Array(bytes.prefix(source.range.count))
  }

  /// The half byte at a place of a word of eight that is the `index`th of its tensor.
  private static func half(_ bytes: [UInt8], word index: Int, place: Int) -> UInt8 {
    let byte = bytes[index * 4 + place / 2]
    return place % 2 == 0 ? byte & 15 : byte >> 4
  }

  mutating func decodePackedRows(
    _ packed: QuantisedWeight.PackedRows, _ elements: Range<Int>
  ) throws(SafetensorsError) {
    guard !elements.isEmpty else { return }
    let grid = packed.grid
    let rows = elements.lowerBound / grid.columns..<(elements.upperBound - 1) / grid.columns + 1
    try readCodes(rows.lowerBound * packed.rowByteCount..<rows.upperBound * packed.rowByteCount)
    let first = rows.lowerBound / grid.blockRows * grid.scaleColumns
    try readScales(first..<((rows.upperBound - 1) / grid.blockRows + 1) * grid.scaleColumns)
    var zeros: [UInt8] = []
    if let source = packed.zeros { zeros = try all(source) }
    var global: Float = 1
    if let source = packed.globalScale { global = try numbers(source, 0..<1)[0] }
    for element in elements {
      let (row, column) = element.quotientAndRemainder(dividingBy: grid.columns)
      let pair = code(row * packed.rowByteCount + column / 2)
      let half = column % 2 == 0 ? pair & 15 : pair >> 4
      let (scaleRow, scaleColumn) = (row / grid.blockRows, column / grid.blockColumns)
      let scale = scale(scaleRow * grid.scaleColumns + scaleColumn)
      switch packed.numbers {
      case .e2m1: values[element - elements.lowerBound] = Self.e2m1(half) * (scale / global)
      case .integers:
        let zero =
          zeros.isEmpty
          ? 8 : Self.half(zeros, word: scaleRow / 8 * grid.scaleColumns + scaleColumn, place: scaleRow % 8)
        values[element - elements.lowerBound] = Float(Int(half) - Int(zero)) * scale
      }
    }
  }

  mutating func decodePackedColumns(
    _ packed: QuantisedWeight.PackedColumns, _ elements: Range<Int>
  ) throws(SafetensorsError) {
    guard !elements.isEmpty else { return }
    let (rows, columns) = (packed.rows, packed.columns)
    try readCodes(0..<rows * columns / 2)
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
      let half: UInt8
      var zero: UInt8
      switch packed.order {
      case .gptq:
        let pair = code((column / 8 * rows + row) * 4 + column % 8 / 2)
        half = column % 2 == 0 ? pair & 15 : pair >> 4
        zero = Self.half(zeros, word: group * rows / 8 + row / 8, place: row % 8)
      case .awq:
        let place = awqPlaces[row % 8]
        let pair = code((column * rows / 8 + row / 8) * 4 + place / 2)
        half = place % 2 == 0 ? pair & 15 : pair >> 4
        zero = Self.half(zeros, word: group * rows / 8 + row / 8, place: place)
      }
      if packed.areZerosOneLess { zero += 1 }
      values[element - elements.lowerBound] = Float(Int(half) - Int(zero)) * scale(group * rows + row)
    }
  }
}
