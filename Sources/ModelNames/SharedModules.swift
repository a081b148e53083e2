import Checkpoints
import JSONText

/// Blocks that several layers of a model share. PEFT saves their factors under the name of each layer; a base has their
/// weights under the first.
///
/// Source: transformers `modeling_zamba2.py`: the j-th hybrid layer has block j modulo `num_mem_blocks`; Zamba has one.
package enum SharedModules {
  /// The segment that is the shared block, by family.
  private static let blocks: [(family: String, segment: String)] = [
    ("zamba2", "shared_transformer"), ("zamba", "shared_transf"),
  ]

  /// The same module of the first layer that has it; nil: it is in that layer, or in no shared block.
  package static func first(of module: String, _ config: JSONValue?) -> String? {
    guard let place = Place(module, config), let first = place.sharing.first, first != place.layer else { return nil }
    return place.module(in: first)
  }

  /// The same module of the other layers that have its block; empty for a module that is in no shared block.
  package static func others(of module: String, _ config: JSONValue?) -> [String] {
    guard let place = Place(module, config) else { return [] }
    return place.sharing.filter { $0 != place.layer }.map(place.module(in:))
  }

  /// Where a module of a shared block is.
  private struct Place {
    private let segments: [String]
    private let position: Int
    let layer: Int
    /// The layers that have the block, in order.
    let sharing: [Int]

    init?(_ module: String, _ config: JSONValue?) {
      guard let family = ModelConfig.family(config), let entry = blocks.first(where: { $0.family == family }) else {
        return nil
      }
      segments = module.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      guard let block = segments.firstIndex(of: entry.segment), block > 0, let layer = Int(segments[block - 1]) else {
        return nil
      }
      position = block - 1
      self.layer = layer
      let layers = hybridLayers(config)
      guard let number = layers.firstIndex(of: layer) else { return nil }
      var count = 1
      if case .integer(let blocks)? = config?["num_mem_blocks"], blocks > 0 { count = Int(clamping: blocks) }
      sharing = layers.indices.filter { $0 % count == number % count }.map { layers[$0] }
    }

    func module(in layer: Int) -> String {
      var segments = segments
      segments[position] = String(layer)
      return segments.joined(separator: ".")
    }
  }

  private static func hybridLayers(_ config: JSONValue?) -> [Int] {
    if case .array(let values)? = config?["hybrid_layer_ids"] {
      return values.compactMap { if case .integer(let value) = $0 { Int(exactly: value) } else { nil } }
    }
    guard case .array(let types)? = config?["layers_block_type"] else { return [] }
    return types.indices.filter { types[$0] == .string("hybrid") }
  }
}
