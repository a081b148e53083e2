import Platform
import Safetensors

extension Adapter {
  /// The places of the updates that add nothing, since one factor of every product has nothing but zeros, and that do
  /// nothing else.
  ///
  /// Reads the factors' data, of which a plan otherwise needs none: to be asked only for an update that cannot be merged,
  /// which matters to no model if it changes nothing. A file that cannot be read has none.
  package func updatesWithoutEffect() -> Set<Int> {
    guard let file = try? InputFile(path: weightsPath), file.identity == header.identity else { return [] }
    var zeros: [Int: Bool] = [:]
    func isZero(_ factor: Factor) -> Bool {
      let known = zeros[factor.tensor] ?? self.isZero(factor.tensor, file)
      zeros[factor.tensor] = known
      return known
    }
    func addsNothing(_ step: UpdateStep<Factor>) -> Bool {
      guard case .add(let addition) = step else { return false }
      return addition.allTerms.allSatisfy { $0.formula.isZero(isZero) }
    }
    return Set(updates.indices.filter { updates[$0].bias == nil && updates[$0].steps.allSatisfy(addsNothing) })
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
