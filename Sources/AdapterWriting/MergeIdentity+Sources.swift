import Adapters
import Checkpoints
import Checksums
import Platform
import Safetensors
import Staging

/// The inputs of a run that decide its result, as its identity has them.
extension MergeIdentity.Input {
  /// A file of a model: its header. The data is read during the work, which sees to it that it is what it was.
  ///
  /// - Parameter sample: Of its data, where another file of the same header must be found.
  package static func of(_ file: Checkpoint.File, role: String, sample: SHA256Checksum? = nil) throws -> Self {
    Self(
      role: role, name: file.name, byteCount: file.header.fileByteCount,
      headerChecksum: try header(file.path, file.header), sample: sample)
  }

  /// A file of a base: its header, and a sample of its data.
  ///
  /// Processes that merge parts of it see by the sample that all have the same base.
  package static func base(_ file: Checkpoint.File) throws -> Self {
    try of(file, role: "base", sample: DataSample.of(file.path))
  }

  /// The weights of an adapter, whole.
  ///
  /// - Parameter checksum: Nil: it is computed.
  package static func weights(
    of adapter: Adapter, role: String, checksum: SHA256Checksum? = nil, interruption: Interruption = .never
  ) throws -> Self {
    Self(
      role: role, name: Paths.lastComponent(adapter.weightsPath), byteCount: adapter.header.fileByteCount,
      headerChecksum: try header(adapter.weightsPath, adapter.header),
      checksum: try checksum
        ?? FileChecksum.of(adapter.weightsPath, expecting: adapter.header.identity, interruption: interruption))
  }

  /// The config of an adapter; nil for one that is one file, which has none.
  package static func config(of adapter: Adapter, role: String) throws -> Self? {
    adapter.isFile ? nil : try small(adapter.configPath, role: role, name: Paths.lastComponent(adapter.configPath))
  }

  /// A file that is not a weights' file, whole.
  package static func small(
    _ path: String, role: String, name: String, interruption: Interruption = .never
  ) throws -> Self {
    let checksum = try FileChecksum.of(path, interruption: interruption)
    return Self(role: role, name: name, byteCount: try InputFile(path: path).byteCount, checksum: checksum)
  }

  private static func header(_ path: String, _ header: SafetensorsHeader) throws -> SHA256Checksum {
    try FileChecksum.of(path, expecting: header.identity, byteCount: header.dataStart)
  }
}

extension MergeIdentity {
  /// What decides the result of a command that writes an adapter.
  ///
  /// - Parameters:
  ///   - command: Its name.
  ///   - version: The program's.
  ///   - options: Every option that changes bytes of the result.
  ///   - adapters: Read whole now.
  ///   - models: Their headers are read now; the units that read their data name their files (``AdapterUnit/inputs``).
  ///   - interruption: Can end the reading.
  public init(
    command: String, version: String, options: [Option], adapters: [Adapter] = [], models: [Checkpoint] = [],
    interruption: Interruption = .never
  ) throws {
    var inputs: [Input] = []
    for (number, model) in models.enumerated() {
      for file in model.files { inputs.append(try .of(file, role: "model \(number + 1)")) }
    }
    for (number, adapter) in adapters.enumerated() {
      let role = "adapter \(number + 1)"
      if let config = try Input.config(of: adapter, role: role) { inputs.append(config) }
      inputs.append(try .weights(of: adapter, role: role, interruption: interruption))
    }
    self.init(version: version, options: [Option(name: "command", value: command)] + options, inputs: inputs)
  }
}
