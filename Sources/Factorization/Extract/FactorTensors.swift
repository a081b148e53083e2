import AdapterWriting
import Adapters
import LowRank
import MergePlanning
import Safetensors
import TileKernels

/// The factors of one parameter's change under PEFT's names and in its shapes.
struct FactorTensors {
  private let parameter: LiveParameter
  private let rows: Int
  private let columns: Int
  private let dtype: DType
  private let kernels: KernelSet
  private let path: String

  /// - Parameters:
  ///   - rows: Of the change, the parameter's first dimension.
  ///   - columns: Of the change, the product of all others.
  ///   - dtype: Of the factors.
  ///   - path: For errors.
  init(
    _ parameter: LiveParameter, rows: Int, columns: Int, _ dtype: DType, _ kernels: KernelSet, path: String
  ) {
    self.parameter = parameter
    self.rows = rows
    self.columns = columns
    self.dtype = dtype
    self.kernels = kernels
    self.path = path
  }

  /// - Throws: What `AdapterTensor` throws for a number that the dtype cannot hold.
  func tensors(_ factors: LowRankFactors) throws -> [AdapterTensor] {
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
      func embedding(of module: String) throws -> [AdapterTensor] {
        [
          try tensor("lora_embedding_A", [rank, rows], factors.left, of: module),
          try tensor("lora_embedding_B", [columns, rank], factors.right.transposed, of: module),
        ]
      }
      var tensors = try embedding(of: parameter.module)
      // PEFT keeps the factors of a tied head beside those of the embedding, and those of the embeddings of an encoder and a decoder.
      for module in parameter.tiedModules {
        tensors +=
          EmbeddingNames.isEmbedding("\(module).weight")
          ? try embedding(of: module)
          : [
            try tensor("lora_A.weight", [rank, columns], factors.right, of: module),
            try tensor("lora_B.weight", [rows, rank], factors.left.transposed, of: module),
          ]
      }
      return tensors
    case .transposedLinear:
      return [
        try tensor("lora_A.weight", [rank, rows], factors.left),
        try tensor("lora_B.weight", [columns, rank], factors.right.transposed),
      ]
    case .convolution(let kernel):
      let shape = parameter.tensor.shape
      return [
        try tensor("lora_A.weight", [rank, shape[1]] + kernel, factors.right),
        try tensor(
          "lora_B.weight", [rows, rank] + kernel.map { _ in 1 }, factors.left.transposed),
      ]
    default:
      return [
        try tensor("lora_A.weight", [rank, columns], factors.right),
        try tensor("lora_B.weight", [rows, rank], factors.left.transposed),
      ]
    }
  }
}
