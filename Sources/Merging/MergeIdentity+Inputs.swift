import Adapters
import Checkpoints
import Checksums
import MergePlanning
import Platform
import Safetensors
import Staging

extension MergeIdentity {
  /// What decides the result of a merge: the base's headers, the adapters and the copied files whole, and the options.
  ///
  /// - Parameters:
  ///   - version: The program's.
  ///   - options: Every option that changes bytes, with the adapters' weights.
  ///   - adapters: As they were given, before any were combined.
  ///   - checksums: Of the adapters' weights, as far as they are known.
  ///   - workers: Threads that read the files.
  init(
    version: String, options: [Option], base: Checkpoint, adapters: [Adapter], checksums: AdapterChecksums,
    plan: MergePlan, sideFiles: SideFiles, workers: Int = 1, interruption: Interruption = .never
  ) throws {
    var sources: [@Sendable () throws -> Input] = []
    for file in base.files {
      sources.append {
        Input(
          role: "base", name: file.name, byteCount: file.header.fileByteCount,
          headerChecksum: try Self.headerChecksum(file.path, file.header))
      }
    }
    for (number, adapter) in adapters.enumerated() {
      let role = "adapter \(number + 1)"
      // An adapter that is one file has no config.
      if !adapter.isFile {
        sources.append { try Self.small(role, Paths.lastComponent(adapter.configPath), adapter.configPath) }
      }
      sources.append {
        Input(
          role: role, name: Paths.lastComponent(adapter.weightsPath), byteCount: adapter.header.fileByteCount,
          headerChecksum: try Self.headerChecksum(adapter.weightsPath, adapter.header),
          checksum: try checksums[number]
            ?? FileChecksum.of(adapter.weightsPath, expecting: adapter.header.identity, interruption: interruption))
      }
    }
    for file in sideFiles.files {
      let role = "copied file"
      sources.append {
        guard let text = file.text else { return try Self.small(role, file.name, file.sourcePath, interruption) }
        return Input(role: role, name: file.name, byteCount: text.count, checksum: SHA256Checksum(of: text))
      }
    }
    let written = plan.textFiles.map { text in
      Input(role: "written", name: text.name, byteCount: text.text.count, checksum: SHA256Checksum(of: text.text))
    }
    self.init(
      version: version, options: options, inputs: try WorkQueue.map(sources, workers: workers) { try $0() } + written)
  }

  private static func headerChecksum(_ path: String, _ header: SafetensorsHeader) throws -> SHA256Checksum {
    try FileChecksum.of(path, expecting: header.identity, byteCount: header.dataStart)
  }

  private static func small(
    _ role: String, _ name: String, _ path: String, _ interruption: Interruption = .never
  ) throws -> Input {
    let checksum = try FileChecksum.of(path, interruption: interruption)
    return Input(role: role, name: name, byteCount: try InputFile(path: path).byteCount, checksum: checksum)
  }
}
