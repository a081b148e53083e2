import MergePlanning
import Safetensors

extension WeightEncoding {
  /// What the rows of a tile hold that are written. Rows that are requantized are in fp32 before; the new codes, and what
  /// they stand for.
  func byteCount(elements: Int, as dtype: DType) -> Int {
    switch self {
    case .numbers: elements * dtype.bitCount / 8
    case .requantized(let requantized): elements * (4 + 1 + 4 + (requantized.nibbles == nil ? 0 : 4 + 1))
    }
  }

  /// Whether statistics are kept of the tensor: what becomes of a requantized weight is counted with its codes.
  var hasStatistics: Bool {
    switch self {
    case .numbers: true
    case .requantized(let requantized): requantized.part != .scales
    }
  }
}

extension ComputedTensor {
  /// The most rows of a tile.
  func tileRows(_ tileSize: TileSize) -> Int {
    switch encoding {
    case .numbers: min(update.rows, tileSize.rows(update))
    case .requantized(let requantized): requantized.tileRows(update, tileSize)
    }
  }
}
