import Adapters
import Checkpoints
import JSONText
import MergePlanning
import Platform
import Safetensors

/// What `ls` shows of one path: the headers of its files and, of an adapter, its modules.
struct Listing: Sendable {
  struct File: Sendable {
    /// The name in the table: relative to the path, or the path itself.
    let label: String
    let path: String
    let header: SafetensorsHeader
  }

  /// The index of the listed folder, if it has one.
  struct Index: Sendable {
    let name: String
    /// `total_size` of the index; nil if it has none.
    let totalByteCount: Int?
  }

  /// The name in messages: the path, or the Hugging Face model and its commit.
  let title: String
  let path: String
  let files: [File]
  /// Nil if the path is not an adapter, or an adapter whose tensors cannot be grouped into modules.
  let adapter: Adapter?
  let index: Index?
  let warnings: [String]
  /// Faults although there are files to list; the exit code reflects them.
  let error: (any Error)?
  /// Whether data can be read, and not only headers.
  let hasData: Bool
  /// The files as a model, as far as known; nil for an adapter.
  let model: Checkpoint?

  /// Reads the headers of a file, of a folder's weights by its index, of an adapter, or of every safetensors file in a
  /// folder that transformers would not load or whose index does not match. Of an adapter that is one file the numbers that
  /// decide about its scaling are read too.
  ///
  /// - Parameter variant: Which of several variants of the weights is listed.
  init(_ argument: ModelArgument, variant: String? = nil) throws {
    path = argument.path
    title = argument.title
    hasData = true
    let kind = ModelFolder(path)
    if kind == .adapter {
      let path = path
      let weights = Paths.join(path, "adapter_model.safetensors")
      var adapter: Adapter?
      var warnings: [String] = []
      do throws(AdapterError) { adapter = try Adapter(folder: path) } catch {
        guard (try? SystemCalls.identity(path: weights)) != nil else { throw error }
        warnings = ["\(error.description); listed as plain tensors"]
      }
      let header = try adapter?.header ?? argument.read { _ in try SafetensorsHeader(path: weights) }
      self.adapter = adapter
      self.warnings = warnings
      files = [File(label: "adapter_model.safetensors", path: weights, header: header)]
      index = nil
      error = nil
      model = nil
      return
    }
    var fileWarnings: [String] = []
    var fileAdapter: Adapter?
    do {
      let checkpoint = try argument.read { path in
        try Checkpoint(path: path, workers: Machine.processorCount, variant: variant)
      }
      if checkpoint.layout == .singleFile, let file = checkpoint.files.first {
        (fileAdapter, fileWarnings) = Self.fileAdapter(file.path, file.header)
      }
      files = checkpoint.files.map { File(label: $0.name, path: $0.path, header: $0.header) }
      let index = checkpoint.index.map { Index(name: Self.indexName(checkpoint), totalByteCount: Self.totalSize($0)) }
      self.index = index
      error = nil
      warnings =
        checkpoint.warnings + Self.sizeWarnings(path, index, files[...]) + Self.sizeWarnings(checkpoint, files)
        + (kind == .both ? ["\(path): also contains an adapter, which is not listed"] : []) + fileWarnings
      model = fileAdapter == nil ? checkpoint : nil
    } catch {
      let problem = ((error as? IncompleteSnapshot)?.error ?? error as? CheckpointError) as? CheckpointError
      switch problem?.problem {
      case .noWeights(let others)?:
        let names = others.filter { $0.hasSuffix(".safetensors") }
        guard !names.isEmpty else { throw error }
        files = try Self.files(names, of: path)
        // diffusers and others keep an adapter alone in a folder.
        if files.count == 1 { (fileAdapter, fileWarnings) = Self.fileAdapter(files[0].path, files[0].header) }
        warnings =
          fileAdapter == nil
          ? ["\(path): no model.safetensors and no index; all safetensors files are listed"] + fileWarnings : []
        self.error = nil
      case .tensorNotInIndex?, .tensorInOtherShard?, .tensorInTwoShards?, .tensorIndexedTwice?,
        .missingShard?:
        let folder = path.hasSuffix(".index.json") ? Paths.folder(path) : path
        let names = ((try? SystemCalls.entries(ofFolder: folder)) ?? []).filter { $0.hasSuffix(".safetensors") }
        // A link in the cache whose blob is missing counts as a missing file.
        files = try Self.files(
          names.filter { (try? SystemCalls.identity(path: Paths.join(folder, $0))) != nil }, of: folder)
        guard !files.isEmpty else { throw error }
        warnings = ["\(path): the index does not match the files; all safetensors files are listed"]
        self.error = error
      default: throw error
      }
      index = nil
      model = fileAdapter == nil ? Self.model(path, files) : nil
    }
    adapter = fileAdapter
  }

  /// The adapter that a file is, or why what looks like one is listed as plain tensors.
  private static func fileAdapter(_ path: String, _ header: SafetensorsHeader) -> (
    adapter: Adapter?, warnings: [String]
  ) {
    guard Adapter.isAdapter(header) else { return (nil, []) }
    do throws(AdapterError) { return (try Adapter(file: path), []) } catch {
      // The weights of a folder are an adapter with the config beside them.
      return (nil, error.problem == .weightsOfFolder ? [] : ["\(error.description); listed as plain tensors"])
    }
  }

  /// Reads one header from a stream.
  init(stream: Int32) throws {
    path = "-"
    title = "standard input"
    files = [File(label: "-", path: "-", header: try SafetensorsHeader(stream: stream, name: "standard input"))]
    adapter = nil
    index = nil
    warnings = []
    error = nil
    hasData = false
    model = Self.model("-", files)
  }

  /// The quantized weights.
  var weights: StoredWeights { model.map { StoredWeights($0) } ?? .none }

  /// Files that are not selected as a model by an index or a rule, interpreted together as far as possible.
  private static func model(_ path: String, _ files: [File]) -> Checkpoint {
    let folder = path.hasSuffix(".index.json") ? Paths.folder(path) : path
    return Checkpoint(
      path: path, opened: files.map { .init(name: $0.label, path: $0.path, header: $0.header) },
      config: try? Checkpoint.readConfig(Paths.join(folder, "config.json")))
  }

  private static func files(_ names: [String], of folder: String) throws -> [File] {
    try names.map { name in
      let path = Paths.join(folder, name)
      return File(label: name, path: path, header: try SafetensorsHeader(path: path))
    }
  }

  private static func indexName(_ checkpoint: Checkpoint) -> String {
    if case .shardedFolder(let name) = checkpoint.layout { name } else { "" }
  }

  private static func totalSize(_ index: CheckpointIndex) -> Int? {
    guard case .integer(let size)? = index.metadata.first(where: { $0.key == "total_size" })?.value else { return nil }
    return Int(size)
  }

  /// A line if the size in the index differs from that of the tensors.
  private static func sizeWarnings(_ path: String, _ index: Index?, _ files: ArraySlice<File>) -> [String] {
    guard let index, let said = index.totalByteCount else { return [] }
    let found = files.reduce(0) { $0 + $1.header.dataByteCount }
    return said == found
      ? []
      : [
        "\(path): total_size in \(index.name) is \(NumberText.grouped(said)), but the tensors have "
          + "\(NumberText.grouped(found)) bytes"
      ]
  }

  /// The same for the parts of a pipeline.
  private static func sizeWarnings(_ pipeline: Checkpoint, _ files: [File]) -> [String] {
    pipeline.parts.flatMap { part -> [String] in
      guard let index = part.index, let name = part.indexName else { return [] }
      return sizeWarnings(pipeline.path, Index(name: name, totalByteCount: totalSize(index)), files[part.files])
    }
  }

}

/// One row of a listing, with its name for filters and sorting.
struct ListedTensor: Sendable {
  let name: String
  let listing: Int
  let file: Int
  let index: Int
  /// The quantized weight, if the row represents all of its tensors.
  var weight: Int?
}
