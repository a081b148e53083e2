import Adapters
import Checkpoints
import Checksums
import MergePlanning
import Platform
import Safetensors
import Staging

extension MergeOptions {
  /// The options with what the result's files say of the merge: the adapters' names, and in a single file the record that a folder
  /// has beside its weights.
  func with(
    originOf request: MergeRequest, _ checksums: inout AdapterChecksums, _ interruption: Interruption
  ) throws -> MergeOptions {
    var options = self
    // What is in the file of its merge is no longer true.
    if request.isUnmerge {
      options.origin = ResultOrigin(adapters: [])
      return options
    }
    var entry: SafetensorsHeader.MetadataEntry?
    if let record = request.record, !request.resultIsFolder, let file = request.base.files.first {
      let adapters = try request.adapters.enumerated().map { number, use in
        FileProvenance.Adapter(
          name: Paths.lastComponent(use.adapter.path), byteCount: use.adapter.header.fileByteCount,
          checksum: try checksums.checksum(of: number, interruption),
          configChecksum: use.adapter.isFile ? nil : try FileChecksum.of(use.adapter.configPath),
          weight: use.weights.text)
      }
      let header = try FileChecksum.of(
        file.path, expecting: file.header.identity, byteCount: file.header.dataStart)
      let provenance = FileProvenance(
        version: record.version,
        base: .init(name: file.name, byteCount: file.header.fileByteCount, headerChecksum: header),
        options: record.options, adapters: adapters, after: FileProvenance(file.header.metadata))
      entry = .init(key: FileProvenance.metadataKey, value: provenance.text)
    }
    options.origin = ResultOrigin(
      adapters: request.adapters.map { OutputMetadata.title(ofAdapter: $0.adapter.path) }, entry: entry)
    return options
  }
}
