import Adapters
import Checkpoints
import MergePlanning
import Platform
import Safetensors
import Staging

/// Finds faults of a model or an adapter on disk, and continues after the first one.
public struct ModelInspection: Sendable {
  public struct Options: Sendable {
    /// Whether all data is read: NaN and infinities are counted, tied tensors compared, recorded checksums verified.
    public var readsData = false
    /// The expected checksums of the files.
    public var sums: SumsFile?
    /// Whether to compute the checksum of every file.
    public var computesSums = false
    /// Threads, at least 1.
    public var workers: Int
    /// Where what takes reading data comes from.
    package var data = CheckedData()

    public init(workers: Int) { self.workers = max(1, workers) }
  }

  public struct File: Sendable {
    /// Relative to the folder, or the name of the single file.
    public let name: String
    public let path: String
    public let header: SafetensorsHeader
  }

  /// A tensor with NaN or infinite elements.
  public struct NonFinite: Sendable, Equatable {
    public let tensor: TensorName
    public let file: String
    public let nanCount: Int
    public let infinityCount: Int
    public let elementCount: Int
  }

  public let path: String
  let model: InspectedModel
  public let isAdapter: Bool
  /// The weight files whose headers are in order.
  public let files: [File]
  public let findings: [Finding]
  /// Informational, not faults.
  public let notes: [String]
  /// Where data was read.
  public private(set) var nonFinite: [NonFinite] = []
  /// Of every weight file and other file, if requested, in the order of the names.
  public private(set) var sums: [SumsFile.Entry] = []

  /// Inspects the safetensors file, the index file, or the folder of a model or an adapter at `path`.
  ///
  /// - Throws: If it cannot be inspected: the path does not exist, or a file cannot be read.
  public init(path: String, options: Options) throws {
    let identity: SystemCalls.Identity?
    do throws(SystemCalls.Failure) { identity = try SystemCalls.identity(path: path) } catch {
      throw CheckpointError(path: path, .system(call: error.call, code: error.code))
    }
    guard let identity else { throw CheckpointError(path: path, .notFound) }
    let isPipelineIndex = !identity.isDirectory && Paths.lastComponent(path) == PipelineIndex.fileName
    let hasFolder = identity.isDirectory || isPipelineIndex || path.hasSuffix(".index.json")
    let folder = hasFolder ? (identity.isDirectory ? path : Paths.folder(path)) : nil
    var log = FindingLog(path: path, folder: folder)
    var ties = TieInspection()
    let model: InspectedModel
    if let folder {
      let name = identity.isDirectory || isPipelineIndex ? nil : Paths.lastComponent(path)
      model = try Self.folder(folder, path: path, indexName: name, options, &ties, &log)
    } else {
      model = try Self.file(path, &log)
    }
    let checksums = ChecksumInspection(model: model, options: options)
    let recorded = try checksums.recordedFiles(&log)
    let summed = recorded.compactMap { entry in entry.checksum.map { SumsFile.Entry(name: entry.name, checksum: $0) } }
    if let sums = options.sums { try checksums.verify(sums.entries, "the checksum file", &log) }
    if options.computesSums { sums = try checksums.sums() }
    for entry in recorded { try checksums.verifyWithoutData(entry, &log) }
    if options.readsData {
      try checksums.verify(summed, ResultMarks.record, &log)
      try checksums.verifyBlobs(&log)
      nonFinite = try ElementInspection(model: model, workers: options.workers, data: options.data).inspect(&log)
      try ties.compareData(of: model, options.data, &log)
    } else if !summed.isEmpty {
      log.notes.append(
        "\(ResultMarks.record) has checksums of \(summed.count) files; --data verifies them")
    }
    self.path = path
    self.model = model
    isAdapter = model.isAdapter
    files = model.files
    findings = log.findings
    notes = log.notes
  }

  /// Looks at a single weight file.
  private static func file(_ path: String, _ log: inout FindingLog) throws -> InspectedModel {
    var model = InspectedModel(path: path, folder: nil, isAdapter: false)
    try model.addFile(Paths.lastComponent(path), at: path, &log)
    if let header = model.files.first?.header, Adapter.isAdapter(header), try model.readAdapterFile(&log) {
      return model
    }
    model.describeWeights(&log)
    AdapterTensorInspection(model: model).inspect(&log)
    return model
  }

  /// Looks at a model or an adapter in a folder.
  ///
  /// - Parameter indexName: The index file that is inspected; nil: the whole folder.
  private static func folder(
    _ folder: String, path: String, indexName: String?, _ options: Options, _ ties: inout TieInspection,
    _ log: inout FindingLog
  ) throws -> InspectedModel {
    let entries: [String]
    do throws(SystemCalls.Failure) { entries = try SystemCalls.entries(ofFolder: folder) } catch {
      throw CheckpointError(path: folder, .system(call: error.call, code: error.code))
    }
    let kind = ModelFolder(folder)
    var model = InspectedModel(path: path, folder: folder, isAdapter: kind == .adapter && indexName == nil)
    if kind == .both {
      log.notes.append(
        "\(folder): also contains an adapter, which was not checked; transformers loads it with the model")
    }
    LeftoverInspection(folder: folder).inspect(entries, &log)
    if model.isAdapter {
      try model.readAdapter(&log)
      return model
    }
    if indexName == nil, let index = try PipelineIndex(folder) {
      try PipelineInspection(index: index, folder: folder).inspect(&model, &log)
      model.describeWeights(&log)
      AdapterTensorInspection(model: model).inspect(&log)
      return model
    }
    var weightFiles = WeightFileInspection(model, log)
    try weightFiles.readConfig()
    try weightFiles.inspect(entries, indexName: indexName)
    (model, log) = (weightFiles.model, weightFiles.log)
    model.describeWeights(&log)
    AdapterTensorInspection(model: model).inspect(&log)
    if let config = model.config {
      let shapes = model.shapes()
      let vocabulary = VocabularyTensors(config: config, names: shapes.keys)
      ties.inspect(vocabulary, shapes, readsData: options.readsData, &log)
      ConfigInspection(config: config).inspect(vocabulary, shapes, &log)
    }
    return model
  }
}
