import Safetensors

/// The sizes of one layer, agreed on by its tensors and its rank.
struct FactorShapes {
  let inFeatures: Int
  let outFeatures: Int

  /// Checks the dtypes, then the dimensions of A (rank, in), B (out, rank) and the bias (out).
  ///
  /// - Parameters:
  ///   - rank: What the config says; the tensors must agree, since the scaling depends on it.
  ///   - rankPattern: The key of `rank_pattern` that the rank comes from.
  init(
    a: TensorInfo, b: TensorInfo, bias: TensorInfo?, rank: Int, rankPattern: String?, path: String
  ) throws(AdapterError) {
    for tensor in [a, b, bias].compactMap({ $0 }) where ![.f32, .f16, .bf16].contains(tensor.dtype) {
      throw AdapterError(path: path, .dtype(tensor.dtype), tensor: tensor.name)
    }
    if (3...5).contains(a.shape.count) {
      throw AdapterError(path: path, .convolution(shape: a.shape), tensor: a.name)
    }
    guard a.shape.count == 2 else {
      throw AdapterError(path: path, .shape(expected: "(\(rank), in)", found: a.shape), tensor: a.name)
    }
    guard a.shape[0] == rank else {
      throw AdapterError(
        path: path, .rank(expected: rank, found: a.shape[0], shape: a.shape, pattern: rankPattern), tensor: a.name)
    }
    guard b.shape.count == 2 else {
      throw AdapterError(path: path, .shape(expected: "(out, \(rank))", found: b.shape), tensor: b.name)
    }
    guard b.shape[1] == rank else {
      throw AdapterError(
        path: path, .rank(expected: rank, found: b.shape[1], shape: b.shape, pattern: rankPattern), tensor: b.name)
    }
    if let bias, bias.shape != [b.shape[0]] {
      throw AdapterError(path: path, .shape(expected: "(\(b.shape[0]))", found: bias.shape), tensor: bias.name)
    }
    inFeatures = a.shape[1]
    outFeatures = b.shape[0]
  }
}
