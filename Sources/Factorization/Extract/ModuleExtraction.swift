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
  private let change: WeightChange
  private let path: String
  private let inputs: [String]
  private let rule: RankRule
  private let seed: UInt64
  private let dtype: DType
  private let kernels: KernelSet

  /// - Throws: ``FactorizationError`` with `dtype`; `FileError`.
  init(_ pair: ModelChange.Pair, _ reading: ModelReading, _ options: ExtractionOptions) throws {
    parameter = pair.tuned
    inputs = reading.paths(pair)
    path = inputs.last ?? ""
    guard let change = try reading.change(pair, options.kernels) else {
      throw FactorizationError(
        path: path, tensor: pair.tuned.tensor.name.string, .dtype(pair.tuned.tensor.dtype.name))
    }
    self.change = change
    rule = options.rule
    seed = options.seed
    dtype = options.dtype
    kernels = options.kernels
  }

  var unit: AdapterUnit {
    AdapterUnit(name: parameter.module, cost: max(1, change.rows * change.columns), inputs: inputs) { try make() }
  }

  private func make() throws -> AdapterUnit.Result {
    let search = SingularSearch(rule: rule, seed: seed, kernels: kernels)
    guard change.rows * change.columns > 0, try !change.isNothing() else { return AdapterUnit.Result(tensors: []) }
    let factors: LowRankFactors
    do { factors = try search.factors(of: change, name: parameter.name) } catch let error as LowRankError {
      throw error.of(path: path, tensor: parameter.tensor.name.string)
    }
    // Other bytes can be equal numbers, such as zeros of both signs.
    guard factors.total > 0 else { return AdapterUnit.Result(tensors: []) }
    return AdapterUnit.Result(tensors: try tensors(factors), facts: ModuleFacts(parameter, factors).json)
  }

  private func tensors(_ factors: LowRankFactors) throws -> [AdapterTensor] {
    let rank = factors.rank
    func tensor(
      _ name: String, _ shape: [Int], _ values: VectorSet, of module: String? = nil
    ) throws -> AdapterTensor {
      try AdapterTensor(
        name: "\(PEFTLayout.prefix)\(module ?? parameter.module).\(name)", dtype: dtype, shape: shape,
        values: values.elements, kernels: kernels, path: path)
    }
    switch parameter.kind {
    case .embedding:
      // The delta is (B A)^T: A has a column for each row of the weight.
      var tensors = [
        try tensor("lora_embedding_A", [rank, change.rows], factors.left),
        try tensor("lora_embedding_B", [change.columns, rank], factors.right.transposed),
      ]
      // PEFT keeps the factors of a tied head beside those of the embedding.
      for head in parameter.tiedModules {
        tensors += [
          try tensor("lora_A.weight", [rank, change.columns], factors.right, of: head),
          try tensor("lora_B.weight", [change.rows, rank], factors.left.transposed, of: head),
        ]
      }
      return tensors
    case .transposedLinear:
      return [
        try tensor("lora_A.weight", [rank, change.rows], factors.left),
        try tensor("lora_B.weight", [change.columns, rank], factors.right.transposed),
      ]
    case .convolution(let kernel):
      let shape = parameter.tensor.shape
      return [
        try tensor("lora_A.weight", [rank, shape[1]] + kernel, factors.right),
        try tensor(
          "lora_B.weight", [change.rows, rank] + kernel.map { _ in 1 }, factors.left.transposed),
      ]
    default:
      return [
        try tensor("lora_A.weight", [rank, change.columns], factors.right),
        try tensor("lora_B.weight", [change.rows, rank], factors.left.transposed),
      ]
    }
  }
}
