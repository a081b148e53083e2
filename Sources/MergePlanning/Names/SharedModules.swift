import Adapters
import Checkpoints
import JSONText
import Safetensors

/// Blocks of layers that several layers of a model share: PEFT saves their factors once under the name of each, and a base
/// has their weights under the first.
///
/// Source: transformers `modeling_zamba2.py`: the j-th hybrid layer has block j modulo `num_mem_blocks`; Zamba has one.
enum SharedModules {
  /// The segment that is the shared block, by family.
  private static let blocks: [(family: String, segment: String)] = [
    ("zamba2", "shared_transformer"), ("zamba", "shared_transf"),
  ]

  /// The module of the layer that comes first among those that share it; nil: it is that itself, or no shared one.
  static func first(of module: String, _ config: JSONValue?) -> String? {
    guard let family = ModelConfig.family(config), let entry = blocks.first(where: { $0.family == family }) else {
      return nil
    }
    var segments = module.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard let place = segments.firstIndex(of: entry.segment), place > 0, let layer = Int(segments[place - 1]) else {
      return nil
    }
    let layers = hybridLayers(config)
    guard let position = layers.firstIndex(of: layer) else { return nil }
    var count = 1
    if case .integer(let blocks)? = config?["num_mem_blocks"], blocks > 0 { count = Int(clamping: blocks) }
    let first = layers[position % count]
    if first == layer { return nil }
    segments[place - 1] = String(first)
    return segments.joined(separator: ".")
  }

  private static func hybridLayers(_ config: JSONValue?) -> [Int] {
    if case .array(let values)? = config?["hybrid_layer_ids"] {
      return values.compactMap { if case .integer(let value) = $0 { Int(exactly: value) } else { nil } }
    }
    guard case .array(let types)? = config?["layers_block_type"] else { return [] }
    return types.indices.filter { types[$0] == .string("hybrid") }
  }
}

extension MergePlanner {
  /// Takes a layer whose factors are those of another layer under a second name, to be compared when the merge begins;
  /// false: it is none.
  mutating func takeShared(_ layer: AdapterLayer, _ number: Int) -> Bool {
    guard let module = SharedModules.first(of: layer.module, base.config) else { return false }
    let adapter = adapters[number].adapter
    guard
      let twin = adapter.layers.first(where: {
        $0.module.utf8.elementsEqual(module.utf8) && $0.target == layer.target && $0.kind == layer.kind
      }), twin.rank == layer.rank, twin.scaling == layer.scaling, twin.inFeatures == layer.inFeatures,
      twin.outFeatures == layer.outFeatures, layer.kind == .linear, layer.bias == nil, layer.magnitude == nil,
      layer.diagonal == nil, twin.tensorIndices.count == layer.tensorIndices.count
    else { return false }
    let table = adapter.header
    for (one, other) in zip(layer.tensorIndices, twin.tensorIndices) {
      let (rows, columns) = TensorUpdate.matrix(of: table.tensors.shape(at: one))
      guard (rows, columns) == TensorUpdate.matrix(of: table.tensors.shape(at: other)) else { return false }
      let views = [one, other].map {
        FactorView.rowMajor(MergePlan.Source(table, $0, input: input(ofAdapter: number)), rows: rows, columns: columns)
      }
      equalities.append(
        MergePlan.Equality(
          one: views[0], other: views[1], oneName: table.tensors.name(at: one),
          otherName: table.tensors.name(at: other),
          sharedBy: module))
    }
    return true
  }
}
