import Adapters
import Checkpoints
import Safetensors

/// What `ls` shows of one path: the headers of its files and, of an adapter, its modules.
struct Listing: Sendable {
  struct File: Sendable {
    /// As the table shows it: relative to the path, or the path itself.
    let label: String
    let path: String
    let header: SafetensorsHeader
  }

  let path: String
  let files: [File]
  /// Nil if the path is no adapter, or one that cannot be folded into modules.
  let adapter: Adapter?
  let warnings: [String]

  /// Reads the headers of a file, of a folder's weights by its index, of an adapter, or, in a folder with nothing that
  /// transformers would load, of every safetensors file.
  init(path: String) throws {
    self.path = path
    if Self.isAdapterFolder(path) {
      var adapter: Adapter?
      var warnings: [String] = []
      do throws(AdapterError) { adapter = try Adapter(folder: path) } catch {
        warnings = ["\(error.description); shown as plain tensors"]
      }
      let weights = Paths.join(path, "adapter_model.safetensors")
      let header = try adapter?.header ?? SafetensorsHeader(path: weights)
      self.adapter = adapter
      self.warnings = warnings
      files = [File(label: "adapter_model.safetensors", path: weights, header: header)]
      return
    }
    adapter = nil
    do {
      let checkpoint = try Checkpoint(path: path)
      files = checkpoint.files.map { File(label: $0.name, path: $0.path, header: $0.header) }
      warnings = checkpoint.warnings
    } catch let error as CheckpointError {
      guard case .noWeights(let others) = error.problem else { throw error }
      let names = others.filter { $0.hasSuffix(".safetensors") }
      guard !names.isEmpty else { throw error }
      files = try names.map { name in
        let path = Paths.join(path, name)
        return File(label: name, path: path, header: try SafetensorsHeader(path: path))
      }
      warnings = ["\(path): no model.safetensors or index; every safetensors file is shown"]
    }
  }

  private static func isAdapterFolder(_ path: String) -> Bool {
    func exists(_ name: String) -> Bool { (try? SystemCalls.identity(path: Paths.join(path, name))) != nil }
    return exists("adapter_config.json") && exists("adapter_model.safetensors") && !exists("model.safetensors")
  }
}

/// One tensor of a listing, with its name at hand for filters and sorting.
struct ListedTensor: Sendable {
  let name: String
  let listing: Int
  let file: Int
  let index: Int
}
