import MergePlanning
import Safetensors
import TileKernels

/// Reads weights that are quantized to a byte an element: FP8 and INT8 with scales of blocks.
struct ByteCodeReader {
  private(set) var codes: [UInt8] = []
  private var scales = ScaleBuffer()

  /// How the bytes of a weight are scaled.
  struct Scaling {
    let grid: QuantizedWeight.Grid
    /// Zero points, like the scales; nil: none.
    var zeros: MergePlan.Source?
    /// Whether the weight has scales.
    var isScaled = true
    /// What every element is multiplied by.
    var factor: Float = 1

    /// A scale for each row, in units of 1 / 127.
    static func int8Rows(shape: [Int]) -> Scaling {
      let columns = shape.last ?? 1
      let grid = QuantizedWeight.Grid(blockRows: 1, blockColumns: columns, rows: shape[0], columns: columns)
      return Scaling(grid: grid, factor: int8Factor)
    }

    /// Numbers without scales.
    static func none(_ rows: Int, _ columns: Int) -> Scaling {
      let grid = QuantizedWeight.Grid(blockRows: rows, blockColumns: columns, rows: rows, columns: columns)
      return Scaling(grid: grid, isScaled: false)
    }

    /// 1 / 127 in fp32, as bitsandbytes writes it.
    private static let int8Factor: Float = 7.874015718698502e-3
  }

  mutating func read(
    _ scaling: Scaling, _ elements: Range<Int>, _ context: WeightContext, into buffer: inout [UInt8]
  ) throws {
    let grid = scaling.grid
    let rows = elements.lowerBound / grid.columns..<(elements.upperBound - 1) / grid.columns + 1
    let table = Self.table(of: context.weight.codes.dtype)
    try context.read(context.weight.codes, elements, into: &codes)
    var row = rows.lowerBound
    while row < rows.upperBound {
      // A stack of matrices has scales of its own for each.
      let (matrix, first) = row.quotientAndRemainder(dividingBy: grid.rows)
      let count = min(grid.rows - first, rows.upperBound - row)
      let scaleRows = first / grid.blockRows..<(first + count - 1) / grid.blockRows + 1
      let start = matrix * grid.scaleRows + scaleRows.lowerBound
      let places = start * grid.scaleColumns..<(start + scaleRows.count) * grid.scaleColumns
      var zeros: [Float] = []
      if let source = scaling.zeros {
        try scales.read(source, places, context)
        zeros = scales.first(places.count)
      }
      if scaling.isScaled { try scales.read(context.weight.scales, places, context) } else { scales.set([1]) }
      let done = (row - rows.lowerBound) * grid.columns
      let blocks = CodeBlocks(
        firstRow: first - scaleRows.lowerBound * grid.blockRows, rows: count, columns: grid.columns,
        scaleColumns: grid.scaleColumns)
      try context.kernels.decode(
        codes, from: done, by: table, blocks, (grid.blockRows, grid.blockColumns), scales: scales.values, zeros: zeros,
        factor: scaling.factor, into: &buffer, at: done, as: context.type)
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
}
