import MergePlanning
import Safetensors
import TileKernels

/// Reads rows of a tensor's weight, and decodes those of quantized ones: each kind of packing has a reader of its own.
struct WeightReader {
  /// How the codes of quantized weights lie in their tensors.
  private enum Packing { case bytes, nibbles, mxfp4, rows, columns }

  /// What was read last. Readers of other packings hold nothing.
  private var packing: Packing?
  private var bytes = ByteCodeReader()
  private var nibbles = NibbleReader()
  private var mxfp4 = MXFP4Reader()
  private var rows = PackedRowReader()
  private var columns = PackedColumnReader()
  private var qlora = QLoRAReader()
  private var padded = PaddedReader()

  /// The codes of the quantized weight that was read last.
  var codes: [UInt8] {
    switch packing {
    case .bytes: bytes.codes
    case .nibbles: nibbles.codes
    case .mxfp4: mxfp4.codes
    case .rows: rows.codes
    case .columns: columns.codes
    case nil: []
    }
  }

  /// Rows that were quantized as in training, as the base has them.
  var unquantized: ArraySlice<UInt8> { qlora.unquantized }

  /// Reads `rows` of the weight of `tensor`, seen as its update sees it, to the start of `buffer`, which grows if it has to.
  ///
  /// - Parameter scales: Of weights that were quantized in training with scales that were codes, what the codes of each block
  ///   are multiplied by; nil: the largest magnitudes.
  /// - Returns: How many bytes they are, of elements of the weight's dtype.
  mutating func read(
    _ tensor: ComputedTensor, rows: Range<Int>, scales: [Float]? = nil, _ inputs: InputFiles, _ kernels: KernelSet,
    into buffer: inout [UInt8]
  ) throws -> Int {
    let update = tensor.update
    let rowByteCount = update.columns * tensor.weight.dtype.bitCount / 8
    let byteCount = rows.count * rowByteCount
    let elements = rows.lowerBound * update.columns..<rows.upperBound * update.columns
    switch tensor.weight {
    case .numbers(let source):
      let start = source.range.lowerBound + rows.lowerBound * rowByteCount
      try inputs.read(source.input, start..<start + byteCount, into: &buffer)
    case .codes(let weight, _):
      buffer.grow(to: byteCount, filler: 0)
      guard !elements.isEmpty else { return 0 }
      try decode(elements, update, WeightContext(tensor, weight, inputs, kernels), into: &buffer)
    case .padded(let source, let columns):
      try padded.read(source, rows, storedColumns: columns, rowByteCount: rowByteCount, inputs, into: &buffer)
    case .numbersThroughQLoRA(let source, let training):
      try qlora.read(tensor, source, training, elements, scales: scales, inputs, kernels, into: &buffer)
    }
    return byteCount
  }

  private mutating func decode(
    _ elements: Range<Int>, _ update: TensorUpdate, _ context: WeightContext, into buffer: inout [UInt8]
  ) throws {
    switch context.weight.format {
    case .blocks(let grid):
      use(.bytes)
      try bytes.read(ByteCodeReader.Scaling(grid: grid), elements, context, into: &buffer)
    case .numbers:
      use(.bytes)
      try bytes.read(.none(update.rows, update.columns), elements, context, into: &buffer)
    case .integers(let grid, let zeros):
      use(.bytes)
      try bytes.read(ByteCodeReader.Scaling(grid: grid, zeros: zeros), elements, context, into: &buffer)
    case .int8Rows:
      use(.bytes)
      try bytes.read(.int8Rows(shape: context.tensor.shape), elements, context, into: &buffer)
    case .nibbles(let type, let block, let nested):
      use(.nibbles)
      try nibbles.read(type, block: block, nested, elements, context, into: &buffer)
    case .mxfp4:
      use(.mxfp4)
      try mxfp4.read(elements, context, into: &buffer)
    case .packedRows(let packed):
      use(.rows)
      try rows.read(packed, elements, context, into: &buffer)
    case .packedColumns(let packed):
      use(.columns)
      try columns.read(packed, elements, context, into: &buffer)
    }
  }

  /// Frees what readers of other packings hold, which the next weights are unlikely to need.
  private mutating func use(_ packing: Packing) {
    guard self.packing != packing else { return }
    self = WeightReader()
    self.packing = packing
  }
}
