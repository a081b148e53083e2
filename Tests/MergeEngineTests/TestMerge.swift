import Adapters
import Checkpoints
import Foundation
import MergeEngine
import MergePlanning
import Merging
import Platform
import Safetensors
import Staging
import TestSupport
import Testing
import TileKernels

/// A merge from paths, through the pipeline of the program.
struct TestMerge {
  let request: MergeRequest
  let plan: MergePlan
  let place: OutputPlace
  let sideFiles: SideFiles

  init(base: String, adapter: String, output: String, dtype: DType? = nil, force: Bool = false) throws {
    try self.init(
      base: base, adapters: [(adapter, 1)], output: output, options: MergeOptions(outputDType: dtype), force: force)
  }

  init(
    base: String, adapters: [(path: String, weight: Double)], output: String, options: MergeOptions,
    force: Bool = false
  ) throws {
    var request = MergeRequest(
      base: try Checkpoint(path: base),
      adapters: try adapters.map { AdapterUse(try Adapter(path: $0.path), weight: $0.weight) }, output: output)
    request.planning = options
    request.force = force
    request.engine.workers = 2
    self.request = request
    // The output is checked, and not yet locked: a test may have several merges to one.
    request.isDryRun = true
    let reserved = try request.reserve()
    let merge = try request.prepare(in: reserved)
    plan = merge.plan
    sideFiles = merge.sideFiles
    place = try #require(reserved.place)
  }

  @discardableResult
  func run(
    workers: Int = 2, kernels: KernelSet = .best, rounding: MergeEngine.Rounding = .nearest,
    nonFinite: MergeEngine.NonFinite = .fail, progress: (@Sendable (MergeProgress) -> Void)? = nil
  ) throws -> MergeEngine.Outcome {
    var request = request
    request.engine = MergeEngine.Options(workers: workers, kernels: kernels)
    request.engine.rounding = rounding
    request.engine.nonFinite = nonFinite
    return try request.prepare().run(progress: progress).weights
  }
}

/// A file read whole, by means of its header.
struct LoadedFile {
  let header: SafetensorsHeader
  let bytes: [UInt8]

  init(_ path: String) throws {
    header = try SafetensorsHeader(path: path)
    bytes = try contents(path)
  }

  var names: [String] { header.tensors.map(\.name.string) }

  func info(_ name: String) -> TensorInfo? { header.tensors.first { $0.name == TensorName(name) } }

  func data(_ tensor: TensorInfo) -> ArraySlice<UInt8> {
    bytes[header.dataStart + tensor.dataOffsets.lowerBound..<header.dataStart + tensor.dataOffsets.upperBound]
  }

  func data(_ name: String) -> [UInt8]? { info(name).map { Array(data($0)) } }

  func elements(_ name: String) -> [UInt32]? {
    info(name).map { Elements.bits(Array(data($0)), $0.dtype) }
  }
}

/// Every tensor of the weight files in a folder, or of one file.
func loadTensors(_ path: String) throws -> [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)] {
  var isFolder: ObjCBool = false
  _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
  let files =
    isFolder.boolValue
    ? try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".safetensors") }
      .map { path + "/" + $0 } : [path]
  var tensors: [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)] = [:]
  for file in files {
    let loaded = try LoadedFile(file)
    for tensor in loaded.header.tensors { tensors[tensor.name] = (tensor, loaded.data(tensor)) }
  }
  return tensors
}

func isSame(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> Bool {
  one.count == other.count
    && one.withUnsafeBytes { left in
      other.withUnsafeBytes { right in
        left.isEmpty || memcmp(left.baseAddress!, right.baseAddress!, left.count) == 0
      }
    }
}
