import Safetensors

/// A component's tensors with the index of all their names.
struct ComponentNames: Sendable {
  let component: Component
  /// The names on disk, as the base has them.
  let tensors: [TensorName]
  let shapes: [[Int]]
  let index: ModuleIndex

  /// - Parameters:
  ///   - architecture: Whose tables the names are translated by; nil: they have no other spelling.
  ///   - tensors: Names on disk, names in the component, and shapes.
  init(
    _ component: Component, _ architecture: Architecture?, _ tensors: [(disk: TensorName, own: String, shape: [Int])]
  ) {
    self.component = component
    self.tensors = tensors.map(\.disk)
    shapes = tensors.map(\.shape)
    let own = tensors.enumerated().map { number, tensor in
      NamedView(name: tensor.own, view: .success(TensorView(tensor: number, shape: tensor.shape)), rule: nil)
    }
    let optional: String? =
      switch component.kind {
      case .clipL, .clipH, .clipG: "text_model."
      case .other: "model."
      case .diffusionModel, .t5: nil
      }
    var index = ModuleIndex(optionalBeginning: optional, capacity: 3 * tensors.count)
    index.add(own)
    if let architecture { Self.add(architecture, own, tensors, component.scheme, to: &index) }
    self.index = index
  }

  /// Registers the names of the other schemes.
  private static func add(
    _ architecture: Architecture, _ own: [NamedView], _ tensors: [(disk: TensorName, own: String, shape: [Int])],
    _ scheme: Component.Scheme, to index: inout ModuleIndex
  ) {
    let shapes = Dictionary(tensors.map { ($0.own, $0.shape) }) { first, _ in first }
    let counts = blockCounts(tensors.map(\.own))
    func conversion(_ table: RuleTable) -> SchemeConversion {
      SchemeConversion(architecture: architecture, table: table, shapes: shapes, blockCounts: counts)
    }
    var shared = own
    if let table = architecture.table(scheme) {
      let conversion = conversion(table)
      shared = conversion.toDiffusers(own)
      index.add(shared)
      index.add(conversion.aliases(of: own))
    }
    for table in architecture.tables where table.scheme != scheme {
      let conversion = conversion(table)
      let native = conversion.toNative(shared)
      index.add(native)
      index.add(conversion.aliases(of: native))
    }
  }

  /// One more than the largest number in the second segment of the names with a first segment.
  private static func blockCounts(_ names: [String]) -> [Substring: Int] {
    var counts: [Substring: Int] = [:]
    for name in names {
      guard let dot = name.firstIndex(of: ".") else { continue }
      let rest = name[name.index(after: dot)...]
      guard let number = Int(rest.prefix { $0 != "." }) else { continue }
      counts[name[..<dot]] = max(counts[name[..<dot]] ?? 0, number + 1)
    }
    return counts
  }
}
