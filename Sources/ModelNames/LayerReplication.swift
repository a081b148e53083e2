import Safetensors

/// `layer_replication` of PEFT: a model built of ranges of the base's layers, which may repeat.
package struct LayerReplication {
  /// The base's layer for each layer of the result.
  package let sources: [Int]
  private let copies: [Int: [Int]]

  /// No model has this many layers; a config that asks for more is not believed.
  package static let largestLayerCount = 10_000
  /// What the largest header can describe: copies of a layer cost no byte of a file.
  package static let largestTensorCount = 2_000_000

  /// The layers of these ranges in their order; nil if there would be more layers than ``largestLayerCount``.
  package init?(_ ranges: [Range<Int>]) {
    var count = 0
    for range in ranges {
      guard range.count <= Self.largestLayerCount else { return nil }
      count += range.count
    }
    guard count <= Self.largestLayerCount else { return nil }
    sources = ranges.flatMap { Array($0) }
    var copies: [Int: [Int]] = [:]
    for (copy, source) in sources.enumerated() { copies[source, default: []].append(copy) }
    self.copies = copies
  }

  /// The names that a tensor of the base has in the result: one for each copy of its layer, none if the layer is left out.
  package func names(for name: TensorName) -> [TensorName] {
    var components = name.string.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard let position = Self.layerPosition(components), let layer = Int(components[position]) else { return [name] }
    return (copies[layer] ?? []).map { copy in
      components[position] = String(copy)
      return TensorName(components.joined(separator: "."))
    }
  }

  /// How many names a tensor of the base has in the result.
  package func copyCount(of name: TensorName) -> Int { Self.layer(of: name).map { copies[$0]?.count ?? 0 } ?? 1 }

  /// The number of the layer that a tensor of the base is in; nil if it is in none.
  package static func layer(of name: TensorName) -> Int? {
    let components = name.string.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    return layerPosition(components).flatMap { Int(components[$0]) }
  }

  /// The component behind the first `layers` or `h`, where PEFT 0.21.2 finds the list of layers.
  private static func layerPosition(_ components: [String]) -> Int? {
    guard let list = components.firstIndex(where: { $0 == "layers" || $0 == "h" }), list + 1 < components.count,
      !components[list + 1].isEmpty, components[list + 1].allSatisfy({ $0.isASCII && $0.isNumber })
    else { return nil }
    return list + 1
  }
}
