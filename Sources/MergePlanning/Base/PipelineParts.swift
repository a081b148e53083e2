import Adapters
import Checkpoints
import Safetensors

/// What the parts of a diffusers pipeline allow: each has a config.json of its own, which no rule for language models reads.
struct PipelineParts {
  private let inputs: MergeInputs

  init(_ inputs: MergeInputs) { self.inputs = inputs }

  /// Rejects other file sizes than the base's, and changes of a part whose config.json says that it is quantized: how its
  /// weights are coded is not known then.
  ///
  /// - Parameter changed: The tensors that the adapters change.
  func check(_ changed: some Sequence<TensorName>) throws(PlanError) {
    let base = inputs.base
    guard base.layout == .pipeline else { return }
    guard inputs.options.fileSizes == .asBase else { throw PlanError(path: base.path, tensor: nil, .dividedPipeline) }
    let quantized = base.parts.compactMap { part in
      ModelConfig.quantization(part.config).map { (prefix: part.prefix, method: $0) }
    }
    guard !quantized.isEmpty else { return }
    for name in changed.sorted() {
      guard let part = quantized.first(where: { name.string.utf8.starts(with: $0.prefix.utf8) }) else { continue }
      throw PlanError(path: base.path, tensor: name, .quantizedBase(method: part.method))
    }
  }
}
