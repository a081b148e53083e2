import Adapters
import Checkpoints
import JSONText
import MergePlanning
import Platform
import Safetensors

/// The inspected model, as far as it could be read.
struct InspectedModel: Sendable {
  let path: String
  /// The folder; nil for a single file.
  let folder: String?
  private(set) var isAdapter: Bool
  /// The weight files whose headers are in order.
  var files: [ModelInspection.File] = []
  var config: JSONValue?
  /// The parts of a pipeline; empty for any other model.
  private(set) var parts: [String] = []
  /// What the quantized weights of a model are.
  private(set) var weights = StoredWeights.none

  init(path: String, folder: String?, isAdapter: Bool) {
    self.path = path
    self.folder = folder
    self.isAdapter = isAdapter
  }

  /// Adds a weight file, unless its header cannot be read, which is a finding.
  mutating func addFile(_ name: String, at path: String, _ log: inout FindingLog) throws {
    do throws(SafetensorsError) {
      files.append(ModelInspection.File(name: name, path: path, header: try SafetensorsHeader(path: path)))
    } catch {
      try log.find(error)
    }
  }

  /// Adds the weight files of a pipeline's part.
  mutating func add(_ others: [ModelInspection.File], ofPart part: String) {
    parts.append(part)
    files += others.map { file in
      ModelInspection.File(
        name: Paths.join(part, file.name), path: file.path, header: file.header.qualified(by: part + "/"))
    }
  }

  /// The regular files of the folder, relative to it; of a pipeline those of the folders in it too.
  func regularFiles() throws(CheckpointError) -> [String] {
    guard let folder else { return [] }
    return try Self.regularFiles(folder, depth: parts.isEmpty ? 0 : 8)
  }

  private static func regularFiles(_ folder: String, depth: Int) throws(CheckpointError) -> [String] {
    let entries = try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
      try SystemCalls.entries(ofFolder: folder)
    }
    var found: [String] = []
    for name in entries {
      let path = Paths.join(folder, name)
      let identity = try? SystemCalls.identity(path: path)
      if identity?.isRegularFile == true {
        found.append(name)
      } else if depth > 0, !name.hasPrefix("."), identity?.isDirectory == true {
        found += try regularFiles(path, depth: depth - 1).map { Paths.join(name, $0) }
      }
    }
    return found
  }

  /// Reads the adapter in the folder, unless it is refused, which is a finding.
  mutating func readAdapter(_ log: inout FindingLog) throws {
    guard let folder else { return }
    do throws(AdapterError) {
      let adapter = try Adapter(folder: folder)
      files.append(
        ModelInspection.File(
          name: Paths.lastComponent(adapter.weightsPath), path: adapter.weightsPath, header: adapter.header))
      addNotes(of: adapter, &log)
    } catch { try log.find(error) }
  }

  /// Reads the adapter that the single file is, unless it is refused, which is a finding.
  ///
  /// - Returns: Whether it is one: the weights of a folder with a config are none.
  mutating func readAdapterFile(_ log: inout FindingLog) throws -> Bool {
    do throws(AdapterError) {
      addNotes(of: try Adapter(file: path), &log)
    } catch {
      if error.problem == .weightsOfFolder { return false }
      try log.find(error)
    }
    isAdapter = true
    return true
  }

  private func addNotes(of adapter: Adapter, _ log: inout FindingLog) {
    log.notes += adapter.warnings + MergeWarning.unreadWeights([AdapterUse(adapter)]).map(\.message)
    log.notes += adapter.ignoredTensors.map {
      "\(adapter.weightsPath): \(adapter.header.tensors.name(at: $0.tensor)) is not used by a merge"
    }
  }

  /// Finds out which of the tensors are quantized weights.
  mutating func describeWeights(_ log: inout FindingLog) {
    weights = StoredWeights(
      Checkpoint(
        path: path,
        opened: files.map {
          .init(
            name: $0.name, path: $0.path, header: $0.header, part: parts.isEmpty ? nil : Paths.components($0.name)[0])
        }, config: config))
    if let refusal = weights.refusal as? any ReportableError, !weights.weights.isEmpty {
      log.notes.append("adapters cannot be merged into these quantized weights: \(refusal.message)")
    }
  }

  /// The shapes of all tensors of numbers, and of quantized weights those of the weights. A weight whose shape is not known
  /// is left out.
  func shapes() -> [TensorName: [Int]] {
    var shapes: [TensorName: [Int]] = [:]
    for (number, file) in files.enumerated() {
      for (index, tensor) in file.header.tensors.enumerated() {
        switch weights.role(file: number, index: index) {
        case .plain: shapes[tensor.name] = tensor.shape
        case .codes(let weight): shapes[weights.weights[weight].name] = weights.weights[weight].shape
        case .part: break
        }
      }
    }
    return shapes
  }

  /// The files as they are opened to read data.
  var openFiles: OpenFiles { OpenFiles(files.map { ($0.path, $0.header.identity) }) }
}
