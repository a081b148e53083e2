import Platform
import Safetensors

extension Adapter {
  /// The places of the layers whose product is zero, since a factor has nothing but zeros, and which have nothing else.
  ///
  /// Reads the factors' data, of which a plan otherwise needs none: to be asked only for a layer that cannot be merged, which
  /// matters to no model if it changes nothing. A file that cannot be read has none.
  package func layersWithoutEffect() -> Set<Int> {
    guard let file = try? InputFile(path: weightsPath), file.identity == header.identity else { return [] }
    var found: Set<Int> = []
    for (number, layer) in layers.enumerated() {
      guard layer.bias == nil, layer.magnitude == nil, layer.decomposition == nil else { continue }
      if [layer.b, layer.a].contains(where: { isZero($0, file) }) { found.insert(number) }
    }
    return found
  }

  private func isZero(_ index: Int, _ file: InputFile) -> Bool {
    let tensor = header.tensors[index]
    let size = tensor.dtype.bitCount / 8
    let start = header.dataStart + tensor.dataOffsets.lowerBound
    let pieceByteCount = 1 << 16
    for first in stride(from: 0, to: tensor.byteCount, by: pieceByteCount) {
      let end = min(first + pieceByteCount, tensor.byteCount)
      guard let bytes = try? file.bytes(start + first..<start + end) else { return false }
      // Of a zero only the sign may be set, in the last byte.
      for (place, byte) in bytes.enumerated() where byte & (place % size == size - 1 ? 0x7F : 0xFF) != 0 {
        return false
      }
    }
    return true
  }
}
