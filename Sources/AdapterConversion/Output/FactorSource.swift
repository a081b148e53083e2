import Adapters
import Platform
import Safetensors

/// Reads the data of an adapter's tensors.
package final class FactorSource: Sendable {
  private let file: InputFile
  private let header: SafetensorsHeader
  private let path: String

  /// - Throws: If the file cannot be opened, or is another one than when the adapter was read.
  package init(_ adapter: Adapter) throws(ConversionError) {
    path = adapter.weightsPath
    header = adapter.header
    do throws(FileError) { file = try InputFile(path: adapter.weightsPath) } catch {
      throw ConversionError(path: adapter.weightsPath, .file(error))
    }
    guard file.identity == header.identity else {
      throw ConversionError(path: path, .file(FileError(path: path, .changed)))
    }
  }

  /// The tensor as it is stored.
  func bytes(of tensor: Int) throws(ConversionError) -> [UInt8] {
    let offsets = header.tensors.dataOffsets(at: tensor)
    do throws(FileError) {
      return try file.bytes(header.dataStart + offsets.lowerBound..<header.dataStart + offsets.upperBound)
    } catch { throw ConversionError(path: path, .file(error)) }
  }

  /// The matrix, row-major.
  func bytes(of matrix: FactorMatrix) throws(ConversionError) -> [UInt8] {
    let size = matrix.dtype.bitCount / 8
    var result = [UInt8](repeating: 0, count: matrix.rows * matrix.columns * size)
    var read: [Int: [UInt8]] = [:]
    for piece in matrix.pieces {
      let factor = piece.factor
      let data: [UInt8]
      if let known = read[factor.tensor] {
        data = known
      } else {
        data = try bytes(of: factor.tensor)
        read[factor.tensor] = data
      }
      for row in 0..<factor.rows {
        let first = ((piece.row + row) * matrix.columns + piece.column) * size
        let start = factor.offset + row * factor.rowStride
        if factor.columnStride == 1 {
          result.replaceSubrange(
            first..<first + factor.columns * size, with: data[start * size..<(start + factor.columns) * size])
          continue
        }
        for column in 0..<factor.columns {
          let (to, from) = (first + column * size, (start + column * factor.columnStride) * size)
          for byte in 0..<size { result[to + byte] = data[from + byte] }
        }
      }
    }
    return result
  }
}
