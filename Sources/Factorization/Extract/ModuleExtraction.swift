import AdapterWriting
import Adapters
import JSONText
import LowRank
import MergePlanning
import Platform
import Safetensors
import TileKernels

/// The work for one matrix: its change becomes two factors.
struct ModuleExtraction: Sendable {
  private let parameter: LiveParameter
  private let pair: ModelChange.Pair
  private let reading: ModelReading
  private let path: String
  private let inputs: [String]
  private let search: SingularSearch
  private let dtype: DType
  private let kernels: KernelSet

  init(_ pair: ModelChange.Pair, _ reading: ModelReading, _ options: ExtractionOptions) {
    self.pair = pair
    self.reading = reading
    parameter = pair.tuned
    inputs = reading.paths(pair)
    path = reading.tuned.path(of: pair.tuned)
    search = options.search
    dtype = options.dtype
    kernels = options.kernels
  }

  var unit: AdapterUnit {
    AdapterUnit(name: parameter.module, cost: max(1, parameter.tensor.shape.reduce(1, *)), inputs: inputs) {
      try make()
    }
  }

  private func make() throws -> AdapterUnit.Result {
    let nothing = AdapterUnit.Result(tensors: [])
    guard !parameter.tensor.shape.contains(0), try !reading.areSame(pair), let change = try reading.change(pair) else {
      return nothing
    }
    let factors: LowRankFactors
    do { factors = try search.factors(of: change, name: parameter.name) } catch let error as LowRankError {
      throw error.of(path: path, tensor: parameter.tensor.name.string)
    }
    // Other bytes can be equal numbers, such as zeros of both signs.
    guard factors.total > 0 else { return nothing }
    return AdapterUnit.Result(
      tensors: try FactorTensors(parameter, rows: change.rows, columns: change.columns, dtype, kernels, path: path)
        .tensors(factors), facts: ModuleFacts(parameter, factors).json)
  }
}
