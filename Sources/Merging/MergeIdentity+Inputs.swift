import AdapterWriting
import Adapters
import Checkpoints
import Checksums
import MergePlanning
import Platform
import Safetensors
import Staging

extension MergeIdentity {
  /// What decides the result of a merge: the base's headers and samples of its data, the adapters and the copied files
  /// whole, and the options.
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
    for file in base.files { sources.append { try .base(file) } }
    for (number, adapter) in adapters.enumerated() {
      let role = "adapter \(number + 1)"
      if !adapter.isFile {
        sources.append {
          try .small(adapter.configPath, role: role, name: Paths.lastComponent(adapter.configPath))
        }
      }
      sources.append {
        try .weights(of: adapter, role: role, checksum: checksums[number], interruption: interruption)
      }
    }
    for file in sideFiles.files {
      let role = "copied file"
      sources.append {
        guard let text = file.text else {
          return try .small(file.sourcePath, role: role, name: file.name, interruption: interruption)
        }
        return Input(role: role, name: file.name, byteCount: text.count, checksum: SHA256Checksum(of: text))
      }
    }
    let written = plan.textFiles.map { text in
      Input(role: "written", name: text.name, byteCount: text.text.count, checksum: SHA256Checksum(of: text.text))
    }
    self.init(
      version: version, options: options, inputs: try WorkQueue.map(sources, workers: workers) { try $0() } + written)
  }
}
