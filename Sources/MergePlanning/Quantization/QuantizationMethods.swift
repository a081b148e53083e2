import Checkpoints

/// The methods whose codes are decoded.
enum QuantizationMethods {
  static let all: [any QuantizationMethod.Type] = [
    FP8.self, FBGEMM.self, CompressedTensors.self, GPTQ.self, AWQ.self, AutoRound.self, BitsAndBytes.self, MXFP4.self,
    TorchAO.self, ModelOptimizer.self, Quark.self, MLX.self, ComfyUI.self,
  ]

  /// The method that `quant_method` names; nil: none that is known.
  static func named(_ name: String) -> (any QuantizationMethod.Type)? { all.first { $0.names.contains(name) } }

  /// The weights that a base keeps as codes, by its method.
  ///
  /// - Throws: What reading a file throws; what is not known is a problem of what was found.
  static func tensors(_ search: CodedTensors) throws -> FoundTensors {
    do {
      if search.method.isEmpty { return try PlainFP8(search: search).tensors() }
      if let method = named(search.method) { return try method.init(search: search).tensors() }
      if search.method == "compression_config" {
        throw PlanError(
          path: search.configPath, tensor: nil, .quantizedScheme("compression_config in place of quantization_config"))
      }
      throw PlanError(path: search.configPath, tensor: nil, .quantizedBase(method: search.method))
    } catch let problem as PlanError {
      return FoundTensors(problem: problem)
    }
  }
}
