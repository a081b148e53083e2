import Adapters
import Checkpoints
import ModelNames
import Safetensors

extension MergePlanner {
  /// What decides how the weight of a linear layer is stored; nil: its shape does.
  ///
  /// - Parameter shape: The weight's.
  mutating func orientation(_ layer: AdapterLayer, shape: [Int], _ number: Int) -> OrientationDecision? {
    guard case .linear = layer.kind, shape == [layer.inFeatures, layer.outFeatures] else { return nil }
    if let known = orientations[number] { return known }
    let adapter = adapters[number].adapter
    let linear = adapter.layers.filter { $0.kind == .linear }
    let families = OrientationFamilies(base.config)
    let embedding = vocabulary.embedding.flatMap { baseTensors.entry($0)?.info.shape }
    let width = embedding.flatMap { $0.count == 2 ? $0[1] : nil }
    let ofBase = OrientationEvidence(baseTensors, config: base.config, width: width)
    var evidence = ofBase
    for layer in linear where layer.inFeatures != layer.outFeatures {
      guard case .success(let found)? = resolve(layer.module + ".weight", rows: layer.outFeatures) else { continue }
      if found.shape == [layer.outFeatures, layer.inFeatures] { evidence.add(.plain, of: layer.module) }
      if found.shape == [layer.inFeatures, layer.outFeatures] { evidence.add(.transposed, of: layer.module) }
    }
    let decision = OrientationDecision(
      families: families, evidence: evidence, evidenceOfBase: ofBase, flag: adapter.config.fanInFanOut,
      adaptedLeaves: Set(linear.map { ModulePlace($0.module).leaf }),
      answer: options.fanInFanOut.map { $0 ? .transposed : .plain })
    orientations[number] = decision
    return decision
  }
}
