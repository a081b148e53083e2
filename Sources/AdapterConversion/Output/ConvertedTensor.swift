import Adapters
import Platform
import Safetensors

/// A tensor of a converted adapter: its entry, and where its bytes come from.
package struct ConvertedTensor: Sendable {
  /// Where the bytes come from.
  package enum Content: Equatable, Sendable {
    /// A tensor of the adapter as it is, by its place in the table.
    case copy(tensor: Int)
    /// Row-major.
    case matrix(FactorMatrix)
    case bytes([UInt8])
  }

  package let name: String
  package let dtype: DType
  package let shape: [Int]
  package let content: Content

  /// The bytes of the tensor, read from the adapter.
  ///
  /// - Throws: An error of reading the file.
  package func bytes(_ source: FactorSource) throws(ConversionError) -> [UInt8] {
    switch content {
    case .copy(let tensor): try source.bytes(of: tensor)
    case .matrix(let matrix): try source.bytes(of: matrix)
    case .bytes(let bytes): bytes
    }
  }
}
