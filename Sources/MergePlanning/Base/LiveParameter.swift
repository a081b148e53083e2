import Safetensors

/// A parameter of a model in memory that is one tensor on disk, or one quantized weight.
package struct LiveParameter: Sendable {
  /// What an adapter can do to it.
  package enum Kind: Sendable, Equatable {
    /// The weight of a linear layer, stored (out, in).
    case linear
    /// The weight of a Conv1D of transformers, stored (in, out).
    case transposedLinear
    /// The weight of an embedding, (rows, dimension).
    case embedding
    /// The weight of a convolution, (out, in, *kernel).
    case convolution(kernel: [Int])
    /// A stack of experts' matrices; transposed: (experts, in, out).
    case experts(isTransposed: Bool)
    /// A bias.
    case bias
    /// A weight that is no matrix, such as a norm's.
    case vector
    /// A parameter that is neither a weight nor a bias.
    case other
  }

  /// Its name in the model in memory, such as `model.layers.0.mlp.up_proj.weight`.
  package let name: String
  package let kind: Kind
  /// As numbers: of a quantized weight with the name, dtype and shape that it has dequantized.
  package let tensor: TensorInfo
  /// Its numbers; the inputs of the source are the model's files.
  package let weight: WeightSource
  /// The place in ``Checkpoint/files``.
  package let file: Int
  /// Modules whose weights are the same parameter and are not on disk, such as a head that is tied to the embedding.
  package var tiedModules: [String]

  /// The same parameter with other numbers.
  package func replaced(by tensor: TensorInfo, _ weight: WeightSource) -> LiveParameter {
    LiveParameter(
      name: name, kind: kind, tensor: tensor, weight: weight, file: file, tiedModules: tiedModules)
  }

  /// The module that it belongs to; empty for a parameter of the model itself.
  package var module: String { name.split(separator: ".").dropLast().joined(separator: ".") }
}
