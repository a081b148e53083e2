import Checkpoints
import Checksums
import MergePlanning
import Platform
import Staging

/// The other files of a result in a folder.
struct SmallFiles {
  let plan: MergePlan
  let sideFiles: SideFiles
  /// Texts about the result.
  let documents: [MergePlan.TextFile]
  /// Nil: nothing is recorded.
  let identity: MergeIdentity?
  /// Whether the record has the checksums of the weight files.
  let recordsChecksums: Bool
  let interruption: Interruption

  /// Bytes that they take.
  var byteCount: Int {
    sideFiles.files.reduce(0) { $0 + $1.byteCount } + (plan.textFiles + documents).reduce(0) { $0 + $1.text.count }
  }

  /// Writes them, an index last; returns the name of the file without which the others are not a model: model_index.json of
  /// a pipeline, else the index.
  ///
  /// - Parameters:
  ///   - checksums: Of the weight files, by their places in the plan, where they were computed.
  ///   - ofBase: The checksum of one of the plan's inputs, where it is known.
  /// - Throws: `CheckpointError`, with `changed` for a copied file that is not what the identity says.
  func write(to folder: any ResultFolder, checksums: [Int: SHA256Checksum], ofBase: (Int) -> SHA256Checksum?) throws
    -> String?
  {
    var files = plan.shards.enumerated().map { number, shard in
      ResultRecord.File(
        name: shard.name, byteCount: shard.fileByteCount, headerChecksum: SHA256Checksum(of: shard.headerBytes),
        checksum: recordsChecksums ? checksums[number] : nil)
    }
    for file in sideFiles.files {
      let checksum = try folder.copy(file, interruption: interruption)
      if let identity, !identity.inputs.contains(where: { $0.name == file.name && $0.checksum == checksum }) {
        throw CheckpointError(path: file.sourcePath, .changed)
      }
      files.append(ResultRecord.File(name: file.name, byteCount: file.byteCount, checksum: checksum))
    }
    for text in plan.textFiles + documents {
      files.append(
        ResultRecord.File(name: text.name, byteCount: text.text.count, checksum: SHA256Checksum(of: text.text)))
    }
    let index = plan.textFiles.last.flatMap { $0.name.hasSuffix(".index.json") ? $0 : nil }
    for text in plan.textFiles + documents where text != index { try folder.write(text.name, text.text) }
    if let identity {
      let baseCount = plan.inputs.count { !$0.isAdapter }
      let record = ResultRecord(
        identity, baseChecksums: (0..<baseCount).map { recordsChecksums ? ofBase($0) : nil },
        files: files)
      try folder.write(ResultMarks.record, record.text)
    }
    if let index { try folder.write(index.name, index.text) }
    let isPipeline = sideFiles.files.contains { $0.name == PipelineIndex.fileName }
    return isPipeline ? PipelineIndex.fileName : index?.name
  }
}
