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
      let base = FileProvenance.Base(
        name: file.name, byteCount: file.header.fileByteCount, headerChecksum: header)
      let previous = FileProvenance(file.header.metadata)
      var provenance: FileProvenance?
      if !request.isUnmerge {
        provenance = FileProvenance(
          version: record.version, base: base, options: record.options, adapters: adapters, after: previous)
      } else if let previous {
        provenance = FileProvenance(
          version: record.version, base: base, options: record.options, takenOut: adapters, of: previous)
      }
      entry = provenance.map { .init(key: FileProvenance.metadataKey, value: $0.text) }
    }
    options.origin = ResultOrigin(
      // A model without the adapters is not named after them.
      adapters: request.isUnmerge ? [] : request.adapters.map { OutputMetadata.title(ofAdapter: $0.adapter.path) },
      entry: entry)
    return options
  }
}
