import MergePlanning
import Safetensors
import TileKernels

/// Reads rows of a tensor's weight; decodes those that are kept as codes.
struct WeightReader {
  var codes: [UInt8] = []
  private var scaleBytes: [UInt8] = []
  var scales: [Float] = []
  var zeros: [Float] = []
  /// Rows that were quantized as in training, as the base has them, with what shares scales with them; and the byte at which
  /// they start.
  private(set) var unquantized: [UInt8] = []
  private(set) var unquantizedStart = 0
  private var wide: [Float] = []
  private var magnitudes: [Float] = []
  /// Codes of half a byte, a byte each.
  var unpacked: [UInt8] = []
  /// Rows of a transposed matrix that are held.
  var slab: Slab?
  /// The matrix whose codes and scales are held, of those that are read whole.
  private var held: MergePlan.Source?

  /// Reads `rows` of `tensor`, seen as `update` sees it, to the start of `buffer`, which grows if it has to.
  ///
  /// - Parameter scales: Of weights that were quantized in training with scales that were codes, what the codes of each block
  ///   are multiplied by; nil: the largest magnitudes.
  /// - Returns: How many bytes they are, of elements of `tensor.weightDType`.
  mutating func read(
    _ tensor: MergePlan.Tensor, _ update: TensorUpdate, rows: Range<Int>, scales: [Float]? = nil,
    _ inputs: InputFiles, _ kernels: KernelSet, into buffer: inout [UInt8]
  ) throws -> Int {
    let rowByteCount = update.columns * tensor.weightDType.bitCount / 8
    let byteCount = rows.count * rowByteCount
    if let training = tensor.qloraQuantization {
      try readThroughQLoRA(
        tensor, training, rows.lowerBound * update.columns..<rows.upperBound * update.columns,
        elementCount: update.rows * update.columns, scales: scales, inputs, kernels, into: &buffer)
      return byteCount
    }
    guard let weight = tensor.quantized else {
      let start = tensor.source.range.lowerBound + rows.lowerBound * rowByteCount
      try inputs.read(tensor.source.input, start..<start + byteCount, into: &buffer)
      return byteCount
    }
    if weight.format != .mxfp4 { held = nil }
    if case .packedColumns = weight.format {} else { slab = nil }
    buffer.grow(to: byteCount, filler: 0)
    let elements = rows.lowerBound * update.columns..<rows.upperBound * update.columns
    guard !elements.isEmpty else { return 0 }
    let reading = ReadContext(
      tensor: tensor, weight: weight, type: try inputs.elementType(weight.dtype), inputs, kernels)
    switch weight.format {
    case .blocks(let grid): try readBlocks(grid, elements, reading, into: &buffer)
    case .numbers:
      let grid = QuantizedWeight.Grid(
        blockRows: update.rows, blockColumns: update.columns, rows: update.rows, columns: update.columns)
      try readBlocks(grid, isScaled: false, elements, reading, into: &buffer)
    case .integers(let grid, let zeros): try readBlocks(grid, zeros: zeros, elements, reading, into: &buffer)
    case .int8Rows:
      let columns = tensor.shape.last ?? 1
      let grid = QuantizedWeight.Grid(
        blockRows: 1, blockColumns: columns, rows: tensor.shape[0], columns: columns)
      try readBlocks(grid, elements, reading, factor: Self.int8Factor, into: &buffer)
    case .nibbles(let type, let block, let nested):
      try readNibbles(type, block: block, nested, elements, reading, into: &buffer)
    case .mxfp4: try readTransposed(elements, reading, into: &buffer)
    case .packedRows(let packed): try readPackedRows(packed, elements, reading, into: &buffer)
    case .packedColumns(let packed): try readPackedColumns(packed, elements, reading, into: &buffer)
    }
    return byteCount
  }

  /// 1 / 127 in fp32, as bitsandbytes writes it.
  private static let int8Factor: Float = 7.874015718698502e-3

  /// What stays the same while a tile is read.
  struct ReadContext {
    let tensor: MergePlan.Tensor
    let weight: QuantizedWeight
    let type: ElementType
    let inputs: InputFiles
    let kernels: KernelSet

    init(
      tensor: MergePlan.Tensor, weight: QuantizedWeight, type: ElementType, _ inputs: InputFiles, _ kernels: KernelSet
    ) {
      self.tensor = tensor
      self.weight = weight
      self.type = type
      self.inputs = inputs
      self.kernels = kernels
    }

    /// Reads elements of a tensor whose elements are whole bytes.
    func read(_ source: MergePlan.Source, _ range: Range<Int>, into buffer: inout [UInt8]) throws {
      let size = source.dtype.bitCount / 8
      try readBytes(source, range.lowerBound * size..<range.upperBound * size, into: &buffer)
    }

    func readBytes(_ source: MergePlan.Source, _ range: Range<Int>, into buffer: inout [UInt8]) throws {
      guard range.upperBound <= source.range.count else {
        throw MergeError(
          path: inputs.path(of: source.input), tensor: tensor.name, .inconsistentPlan("codes leave their tensor"))
      }
      let start = source.range.lowerBound
      try inputs.readAside(source.input, start + range.lowerBound..<start + range.upperBound, into: &buffer)
    }
  }

  // MARK: - Weights as they were in training

  /// Reads elements with what shares a scale with them, and makes them what quantizing left of them.
  private mutating func readThroughQLoRA(
    _ tensor: MergePlan.Tensor, _ training: QLoRAQuantization, _ elements: Range<Int>, elementCount: Int,
    scales: [Float]?, _ inputs: InputFiles, _ kernels: KernelSet, into buffer: inout [UInt8]
  ) throws {
    let type = try inputs.elementType(tensor.weightDType)
    let block = training.block
    buffer.grow(to: elements.count * type.byteCount, filler: 0)
    guard !elements.isEmpty else { return }
    let blocks = elements.lowerBound / block..<(elements.upperBound - 1) / block + 1
    let whole = blocks.lowerBound * block..<min(blocks.upperBound * block, elementCount)
    let start = tensor.source.range.lowerBound
    try inputs.read(
      tensor.source.input, start + whole.lowerBound * type.byteCount..<start + whole.upperBound * type.byteCount,
      into: &unquantized)
    unquantizedStart = (elements.lowerBound - whole.lowerBound) * type.byteCount
    wide.grow(to: whole.count, filler: 0)
    magnitudes.grow(to: blocks.count, filler: 0)
    try Self.widen(unquantized, as: type, count: whole.count, into: &wide, kernels)
    try kernels.findMagnitudes(wide, count: whole.count, block: block, into: &magnitudes)
    guard (scales?.count ?? blocks.upperBound) >= blocks.upperBound else {
      throw MergeError(
        path: inputs.path(of: tensor.source.input), tensor: tensor.name, .inconsistentPlan("scales are missing"))
    }
    var none: [UInt8] = []
    try kernels.throughNF4(
      &wide, count: whole.count, block: block, magnitudes: magnitudes,
      scales: scales.map { Array($0[blocks]) } ?? magnitudes, codes: &none)
    try kernels.round(
      wide, from: elements.lowerBound - whole.lowerBound, count: elements.count, into: &buffer, as: type)
  }

  // MARK: - Codes of a byte

  private mutating func readBlocks(
    _ grid: QuantizedWeight.Grid, zeros zeroSource: MergePlan.Source? = nil, isScaled: Bool = true,
    _ elements: Range<Int>, _ reading: ReadContext, factor: Float = 1, into buffer: inout [UInt8]
  ) throws {
    let rows = elements.lowerBound / grid.columns..<(elements.upperBound - 1) / grid.columns + 1
    let table = Self.table(of: reading.weight.codes.dtype)
    try reading.read(reading.weight.codes, elements, into: &codes)
    var row = rows.lowerBound
    while row < rows.upperBound {
      // A stack of matrices has scales of its own for each.
      let (matrix, first) = row.quotientAndRemainder(dividingBy: grid.rows)
      let count = min(grid.rows - first, rows.upperBound - row)
      let scaleRows = first / grid.blockRows..<(first + count - 1) / grid.blockRows + 1
      let start = matrix * grid.scaleRows + scaleRows.lowerBound
      let scalePlaces = start * grid.scaleColumns..<(start + scaleRows.count) * grid.scaleColumns
      zeros = []
      if let zeroSource {
        try readScales(zeroSource, scalePlaces, reading)
        zeros = Array(scales[..<scalePlaces.count])
      }
      if isScaled { try readScales(reading.weight.scales, scalePlaces, reading) } else { scales = [1] }
      let done = (row - rows.lowerBound) * grid.columns
      let blocks = CodeBlocks(
        firstRow: first - scaleRows.lowerBound * grid.blockRows, rows: count, columns: grid.columns,
        scaleColumns: grid.scaleColumns)
      let source = unsafe codes.span.extracting(done..<done + count * grid.columns).bytes
      var target = buffer.mutableSpan
      var output = unsafe target.mutableBytes
      try reading.kernels.decode(
        source, by: table.span, blocks, blocks: (grid.blockRows, grid.blockColumns), scales: scales.span,
        zeros: zeros, factor: factor, into: &output, at: done, as: reading.type)
      row += count
    }
  }

  private static func table(of dtype: DType) -> [Float] {
    switch dtype {
    case .f8E5M2: Codebooks.e5m2
    case .i8: Codebooks.int8
    default: Codebooks.e4m3
    }
  }

  /// Reads scales in fp32 to the start of ``scales``.
  mutating func readScales(_ source: MergePlan.Source, _ range: Range<Int>, _ reading: ReadContext) throws {
    try reading.read(source, range, into: &scaleBytes)
    scales.grow(to: range.count, filler: 0)
    if let type = source.dtype.elementType {
      try Self.widen(scaleBytes, as: type, count: range.count, into: &scales, reading.kernels)
      return
    }
    let table =
      switch source.dtype {
      case .u8: Codebooks.powers
      case .f8E4M3: Codebooks.e4m3
      case .i8: Codebooks.int8
      default: Codebooks.e8m0
      }
    for index in 0..<range.count { scales[index] = table[Int(scaleBytes[index])] }
  }

  static func widen(
    _ bytes: [UInt8], as type: ElementType, count: Int, into scales: inout [Float], _ kernels: KernelSet
  ) throws {
    let part = bytes.span.extracting(0..<count * type.byteCount)
    var span = scales.mutableSpan
    try unsafe kernels.widen(part.bytes, as: type, into: &span)
  }

  // MARK: - Codes of half a byte

  private mutating func readNibbles(
    _ type: QuantizedWeight.FourBitCodebook, block: Int, _ nested: QuantizedWeight.Nested?, _ elements: Range<Int>,
    _ reading: ReadContext, into buffer: inout [UInt8]
  ) throws {
    let table = Codebooks.nibbles(type)
    if let map = reading.weight.map {
      try readScales(map, 0..<16, reading)
      guard zip(table, scales).allSatisfy({ $0 == $1 }) else {
        throw MergeError(
          path: reading.inputs.path(of: map.input), tensor: reading.tensor.name, .codeMap(type.rawValue))
      }
    }
    let blocks = elements.lowerBound / block..<(elements.upperBound - 1) / block + 1
    if let nested {
      try readNested(nested, blocks, reading)
    } else {
      try readScales(reading.weight.scales, blocks, reading)
    }
    try reading.readBytes(
      reading.weight.codes, elements.lowerBound / 2..<(elements.upperBound - 1) / 2 + 1, into: &codes)
    var target = buffer.mutableSpan
    var output = unsafe target.mutableBytes
    try unsafe reading.kernels.decodeNibbles(
      codes.span.bytes, by: table.span, first: elements.lowerBound - blocks.lowerBound * block, count: elements.count,
      block: block, isHighFirst: true, scales: scales.span, into: &output, as: reading.type)
  }

  /// Scales that are codes: `map[code] * nested scale + offset`, product and sum rounded to fp32.
  private mutating func readNested(
    _ nested: QuantizedWeight.Nested, _ blocks: Range<Int>, _ reading: ReadContext
  ) throws {
    let outer = blocks.lowerBound / nested.block..<(blocks.upperBound - 1) / nested.block + 1
    try readScales(nested.scales, outer, reading)
    let outerScales = Array(scales[..<outer.count])
    try readScales(nested.map, 0..<256, reading)
    let map = Array(scales[..<256])
    try reading.read(reading.weight.scales, blocks, into: &scaleBytes)
    scales.grow(to: blocks.count, filler: 0)
    for (index, number) in blocks.enumerated() {
      let product = map[Int(scaleBytes[index])] * outerScales[number / nested.block - outer.lowerBound]
      scales[index] = product + nested.offset
    }
  }

  // MARK: - Transposed codes

  /// A matrix of a stack is read whole and kept while its rows are asked for: a row has some bytes of every column.
  private mutating func readTransposed(
    _ elements: Range<Int>, _ reading: ReadContext, into buffer: inout [UInt8]
  ) throws {
    let (rows, columns) = (reading.tensor.shape[1], reading.tensor.shape[2])
    let groups = rows / Self.mxfp4Block
    let (table, powers) = (Codebooks.doubledE2M1, Codebooks.halvedPowers)
    var row = elements.lowerBound / columns
    let end = elements.upperBound / columns
    var done = 0
    while row < end {
      let (matrix, first) = row.quotientAndRemainder(dividingBy: rows)
      let count = min(rows - first, end - row)
      let start = reading.weight.codes.range.lowerBound + matrix * columns * rows / 2
      let source = MergePlan.Source(
        input: reading.weight.codes.input, dtype: .u8, range: start..<start + columns * rows / 2)
      if held != source {
        held = nil
        try reading.read(source, 0..<source.range.count, into: &codes)
        try reading.read(
          reading.weight.scales, matrix * columns * groups..<(matrix + 1) * columns * groups, into: &scaleBytes)
        held = source
      }
      let place = TransposedCodes(
        rows: rows, columns: columns, block: Self.mxfp4Block, firstRow: first, rowCount: count)
      var target = buffer.mutableSpan
      var output = unsafe target.mutableBytes
      try unsafe reading.kernels.decodeTransposed(
        codes.span.bytes, by: table.span, scales: scaleBytes.span.bytes, by: powers.span, place,
        into: &output, at: done, as: reading.type)
      done += count * columns
      row += count
    }
  }

  private static let mxfp4Block = 32
}

extension QuantizedWeight {
  /// What a reader holds at the most for a tile of so many elements of a tensor: codes and scales.
  func byteCount(elements: Int, shape: [Int]) -> Int {
    switch format {
    case .blocks(let grid):
      // A row of blocks more at either end.
      elements + 8 * (elements / (grid.blockRows * grid.blockColumns) + 2 * grid.scaleColumns + 2)
    case .numbers: elements
    case .integers(let grid, _):
      elements + 13 * (elements / (grid.blockRows * grid.blockColumns) + 2 * grid.scaleColumns + 2)
    case .int8Rows: elements + 8 * (elements / max(shape.last ?? 1, 1) + 2)
    case .nibbles(_, let block, _): elements / 2 + 10 * (elements / block + 2) + 4096
    case .mxfp4: shape.dropFirst().reduce(1, *) / 2 * 17 / 16
    case .packedRows(let packed):
      elements * (packed.biases == nil ? 1 : 9)
        + elements / max(packed.grid.columns, 1) * (packed.rowByteCount + 14 * packed.grid.scaleColumns) + 4096
    case .packedColumns(let packed):
      elements + packed.slabRows * (packed.columns * packed.bits / 8 + 16 * packed.groupCount) + 8 * packed.columns
    }
  }
}
