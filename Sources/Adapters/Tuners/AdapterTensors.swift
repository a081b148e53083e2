import Safetensors

/// The tensors of an adapter's file with the parts of their keys, as a tuner reads them.
struct AdapterTensors {
  let table: TensorTable
  let keys: AdapterKeys
  let config: AdapterConfig
  /// The weights file and the config, for errors.
  let path: String
  let configPath: String

  /// Where a tensor that all modules share is in the table; nil: the file doesn't have it.
  func place(ofShared role: FactorRole) -> Int? { keys.keys.firstIndex { $0.role == .shared(role) } }

  func failure(_ problem: AdapterError.Problem, at index: Int?) -> AdapterError {
    AdapterError(path: path, problem, tensor: index.map { table.name(at: $0) })
  }
}
