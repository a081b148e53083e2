import Safetensors

/// The tensors of a base by their names, as a ``NameResolver`` asks for them.
package protocol NamedTensors {
  /// The shape of a tensor as an update finds it: the base's, that of the tensor that replaces it, or, of a head that the
  /// base keeps as one tensor with the embedding, the embedding's; nil: there is no such tensor.
  func shape(of name: TensorName) -> [Int]?
  /// The shape of a tensor on disk; nil: the base has no such tensor.
  func storedShape(of name: TensorName) -> [Int]?
  /// The name on disk of a tensor that is not there because it is one with another; nil: it is none of these.
  func absent(_ name: TensorName) -> TensorName?
}
