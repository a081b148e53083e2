import Adapters
import Checkpoints
import Checksums
import MergePlanning
import Platform
import Safetensors
import Staging

/// Adapters whose change would be in the result twice: the same weights given twice, or merged into the base before.
enum RepeatedAdapters {
  /// An adapter that a merge wrote down, in the folder of the base or in its file.
  private struct Recorded {
    let byteCount: Int
    let checksum: SHA256Checksum?
    /// Where it stands.
    let place: String
  }

  /// Files are compared by their checksums, which are computed only where sizes are equal.
  ///
  /// - Throws: `SafetensorsError` if an adapter cannot be read; `Interrupted`.
  static func warnings(
    _ adapters: [Adapter], base: Checkpoint, _ checksums: inout AdapterChecksums, _ interruption: Interruption = .never
  ) throws -> [MergeWarning] {
    let recorded = Self.recorded(base)
    let sizes = adapters.map(\.header.fileByteCount)
    var compared: [Int: SHA256Checksum] = [:]
    for number in adapters.indices
    where sizes.count(where: { $0 == sizes[number] }) > 1 || recorded.contains(where: { $0.byteCount == sizes[number] })
    {
      compared[number] = try checksums.checksum(of: number, interruption)
    }
    var warnings: [MergeWarning] = []
    for (number, adapter) in adapters.enumerated() {
      guard let checksum = compared[number] else { continue }
      if let first = (0..<number).first(where: { compared[$0] == checksum }) {
        warnings.append(
          MergeWarning(
            .repeatedAdapter,
            "\(adapter.path): has the same weights as \(adapters[first].path); its delta is added twice"))
      }
      if let entry = recorded.first(where: { $0.checksum == checksum }) {
        warnings.append(
          MergeWarning(
            .alreadyMerged,
            "\(adapter.path): is already merged into the base (see \(entry.place)); its delta is added twice"))
      }
    }
    return warnings
  }

  /// The weights of adapters that a merge wrote down as its inputs; none for a base of another origin.
  private static func recorded(_ base: Checkpoint) -> [Recorded] {
    guard let folder = base.folder else {
      return base.files.flatMap { file in
        (FileProvenance(file.header.metadata)?.allAdapters ?? []).map {
          Recorded(byteCount: $0.byteCount, checksum: $0.checksum, place: "the metadata of \(file.path)")
        }
      }
    }
    guard let record = try? ResultRecord.read(in: folder) else { return [] }
    // What was taken out is not in there.
    if record.option("command") == MergeRequest.unmergeCommand { return [] }
    return record.inputs.filter { $0.role.utf8.starts(with: "adapter ".utf8) && $0.headerChecksum != nil }
      .map { Recorded(byteCount: $0.byteCount, checksum: $0.checksum, place: ResultRecord.path(in: folder)) }
  }
}
