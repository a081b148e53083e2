import Checkpoints
import JSONText
import Platform
import Safetensors
import Staging

/// The units that are made, each a safetensors file in the staging folder, so that the next run need not make them again.
///
/// A file appears under its name when it is whole and on disk. Its metadata has the unit's name, the state of the inputs that
/// it was made from, and the facts.
struct UnitStore: Sendable {
  private let folder: String
  private static let suffix = ".safetensors"
  private enum Key { static let (unit, inputs, facts) = ("unit", "inputs", "facts") }

  /// - Parameter folder: Of the staging folder, for units alone; made if it is not there. Files that a killed run left
  ///   unfinished are removed.
  init(folder: String) throws(CheckpointError) {
    self.folder = folder
    try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
      if try SystemCalls.identity(path: folder, followingLinks: false) == nil {
        try SystemCalls.ensureFolder(folder, mode: 0o700)
      }
      for entry in try SystemCalls.entries(ofFolder: folder) where !entry.hasSuffix(Self.suffix) {
        try SystemCalls.removeFile(Paths.join(folder, entry))
      }
    }
  }

  /// Whether an entry of the folder is a unit that was made.
  static func isUnit(_ name: String) -> Bool { name.hasSuffix(suffix) }

  private func path(_ number: Int) -> String { Paths.join(folder, "\(number)\(Self.suffix)") }

  /// The unit with a number, if a run before made it from the same inputs.
  func kept(_ number: Int, _ unit: AdapterUnit) -> FinishedUnit? {
    guard let header = try? SafetensorsHeader(path: path(number)), value(Key.unit, header) == unit.name,
      let states = try? Self.states(unit), value(Key.inputs, header) == states,
      let text = value(Key.facts, header), let facts = try? JSONParser.parse(Array(text.utf8).span)
    else { return nil }
    return finished(number, unit, header, facts, isKept: true)
  }

  private func value(_ key: String, _ header: SafetensorsHeader) -> String? {
    header.metadata?.first { $0.key == key }?.value
  }

  private func finished(
    _ number: Int, _ unit: AdapterUnit, _ header: SafetensorsHeader, _ facts: JSONValue, isKept: Bool
  ) -> FinishedUnit? {
    // In the order of the data, which is the unit's.
    let infos = header.tensors.map { $0 }.sorted { $0.dataOffsets.lowerBound < $1.dataOffsets.lowerBound }
    var tensors: [HeaderEncoder.Tensor] = []
    for info in infos {
      guard let entry = try? HeaderEncoder.Tensor(name: info.name, dtype: info.dtype, shape: info.shape) else {
        return nil
      }
      tensors.append(entry)
    }
    return FinishedUnit(
      name: unit.name, tensors: tensors, facts: facts, isKept: isKept, path: path(number),
      ranges: infos.map {
        header.dataStart + $0.dataOffsets.lowerBound..<header.dataStart + $0.dataOffsets.upperBound
      })
  }

  /// Makes a unit and writes it down.
  func make(_ number: Int, _ unit: AdapterUnit) throws -> FinishedUnit {
    // Before it is made: a change while it is read is then seen by the next run.
    let states = try Self.states(unit)
    let result = try unit.make()
    var facts = JSONWriter()
    facts.value(result.facts)
    let header = try HeaderEncoder(
      path: path(number),
      metadata: [
        .init(key: Key.unit, value: unit.name), .init(key: Key.inputs, value: states),
        .init(key: Key.facts, value: String(decoding: facts.bytes, as: UTF8.self)),
      ], tensors: result.tensors.map(\.entry))
    do throws(FileError) {
      let file = try OutputFile(
        path: path(number), temporaryPath: Paths.join(folder, "\(number).tmp.\(RandomToken.make())"),
        byteCount: header.fileByteCount)
      try file.reserve(0..<header.fileByteCount)
      try unsafe file.write(header.bytes.span.bytes, at: 0)
      for (range, tensor) in zip(header.dataOffsets, result.tensors) {
        try unsafe file.write(tensor.bytes.span.bytes, at: header.bytes.count + range.lowerBound)
      }
      try file.commit(replacing: true)
    } catch {
      guard case .system(let call, let code) = error.problem else { throw error }
      throw CheckpointError(path: path(number), .system(call: call, code: code))
    }
    return FinishedUnit(
      name: unit.name, tensors: result.tensors.map(\.entry), facts: result.facts, isKept: false, path: path(number),
      ranges: header.dataOffsets.map { header.bytes.count + $0.lowerBound..<header.bytes.count + $0.upperBound })
  }

  /// The state of a unit's inputs, as text.
  private static func states(_ unit: AdapterUnit) throws -> String {
    var writer = JSONWriter()
    writer.beginArray()
    for path in unit.inputs {
      let identity = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
        try SystemCalls.identity(path: path)
      }
      guard let identity else { throw CheckpointError(path: path, .notFound) }
      InputState(name: Paths.lastComponent(path), identity).write(to: &writer)
    }
    writer.end()
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}
