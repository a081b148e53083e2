import Adapters
import Checkpoints
import Checksums
import MergePlanning
import Platform
import Safetensors
import Staging

/// Adapters whose change would be in the result twice: the same weights given twice, or merged into the base before.
enum RepeatedAdapters {
  /// Files are compared by their checksums, which are computed only where sizes are equal.
  ///
  /// - Throws: `SafetensorsError` if an adapter cannot be read; `Interrupted`.
  static func warnings(
    _ adapters: [Adapter], base: Checkpoint, interruption: Interruption = .never
  ) throws -> [MergeWarning] {
    let recorded = Self.recorded(base)
    let sizes = adapters.map(\.header.fileByteCount)
    var checksums: [Int: SHA256Checksum] = [:]
    for (number, adapter) in adapters.enumerated()
    where sizes.count(where: { $0 == sizes[number] }) > 1 || recorded.contains(where: { $0.byteCount == sizes[number] })
    {
      checksums[number] = try FileChecksum.of(
        adapter.weightsPath, expecting: adapter.header.identity, interruption: interruption)
    }
    var warnings: [MergeWarning] = []
    for (number, adapter) in adapters.enumerated() {
      guard let checksum = checksums[number] else { continue }
      if let first = (0..<number).first(where: { checksums[$0] == checksum }) {
        warnings.append(
          MergeWarning(
            .repeatedAdapter,
            "\(adapter.path): has the same weights as \(adapters[first].path); its delta is added twice"))
      }
      if recorded.contains(where: { $0.checksum == checksum }), let folder = base.folder {
        warnings.append(
          MergeWarning(
            .alreadyMerged,
            "\(adapter.path): is already merged into the base (see \(ResultRecord.path(in: folder))); its delta is added "
              + "twice"))
      }
    }
    return warnings
  }

  /// The weights of adapters that a merge wrote down beside the base as its inputs; none for a base of another origin.
  private static func recorded(_ base: Checkpoint) -> [MergeIdentity.Input] {
    guard let folder = base.folder, let record = try? ResultRecord.read(in: folder) else { return [] }
    return record.inputs.filter {
      $0.role.utf8.starts(with: "adapter ".utf8) && $0.headerChecksum != nil
    }
  }
}
