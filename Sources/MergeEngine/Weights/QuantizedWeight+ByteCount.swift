import MergePlanning
import Safetensors

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
