import CPlainArithmetic
import Platform
import Safetensors

/// Elements of a tensor on one side of a comparison.
struct PieceSource {
  let file: Int
  /// Where the tensor's data begins in the file.
  let start: Int
  let dtype: DType
  /// Nil if bytes are compared.
  let type: spa_dtype?
  let block: ElementBlock

  /// The size of the elements when they are read.
  var byteCount: Int { (block.count * dtype.bitCount + 7) / 8 }

  /// Whether both are the same bytes of one file.
  func isSame(as other: PieceSource, _ files: OpenFiles) -> Bool {
    files.identity(of: file) == files.identity(of: other.file) && start == other.start && dtype == other.dtype
      && block == other.block
  }

  /// The elements, one behind the other.
  ///
  /// A run starts at a byte boundary; its length is a multiple of 8 elements, except for the last. Blocks of several rows are of
  /// elements of whole bytes.
  func read(_ files: OpenFiles) throws(SafetensorsError) -> [UInt8] {
    var bytes: [UInt8] = []
    let first = start + block.first * dtype.bitCount / 8
    guard block.rowCount > 1 || block.isTransposed else {
      try files.read(file, first..<first + byteCount, into: &bytes)
      return bytes
    }
    let size = dtype.bitCount / 8
    var row: [UInt8] = []
    bytes.reserveCapacity(byteCount)
    for number in 0..<block.rowCount {
      let place = first + number * block.stride * size
      try files.read(file, place..<place + block.columnCount * size, into: &row)
      bytes += row.prefix(block.columnCount * size)
    }
    return block.isTransposed ? transposed(bytes, size) : bytes
  }

  private func transposed(_ bytes: [UInt8], _ size: Int) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for column in 0..<block.columnCount {
      for row in 0..<block.rowCount {
        let place = (row * block.columnCount + column) * size
        result += bytes[place..<place + size]
      }
    }
    return result
  }
}
