import Safetensors

/// A component's parameters by its own names, and what they are called in the other schemes.
struct ComponentSpellings: Sendable {
  private let scheme: Component.Scheme
  /// nil: names have no other spelling.
  let architecture: Architecture?
  /// The tensors by the component's own names.
  private let own: [NamedView]
  private let shapes: [String: [Int]]
  private let blockCounts: [Substring: Int]

  /// - Parameters:
  ///   - scheme: How the component's tensors are named.
  ///   - architecture: Whose tables the names are translated by.
  ///   - tensors: Names on disk, names in the component, and shapes.
  init(
    _ scheme: Component.Scheme, _ architecture: Architecture?,
    _ tensors: [(disk: TensorName, own: String, shape: [Int])]
  ) {
    self.scheme = scheme
    self.architecture = architecture
    own = tensors.enumerated().map { number, tensor in
      NamedView(name: tensor.own, view: .success(TensorView(tensor: number, shape: tensor.shape)), rule: nil)
    }
    shapes = Dictionary(tensors.map { ($0.own, $0.shape) }) { first, _ in first }
    blockCounts = Self.blockCounts(tensors.map(\.own))
  }

  /// The parameters by the names of a scheme. Where the architecture has no table for it, its names are those of diffusers.
  func views(in wanted: Component.Scheme) -> [NamedView] {
    guard wanted != scheme, let architecture else { return own }
    let shared = shared(architecture)
    return architecture.table(wanted).map { conversion(architecture, $0).toNative(shared) } ?? shared
  }

  /// Registers the names of all schemes.
  func add(to index: inout ModuleIndex) {
    index.add(own)
    guard let architecture else { return }
    let shared = shared(architecture)
    if let table = architecture.table(scheme) {
      index.add(shared)
      index.add(conversion(architecture, table).aliases(of: own))
    }
    for table in architecture.tables where table.scheme != scheme {
      let conversion = conversion(architecture, table)
      let native = conversion.toNative(shared)
      index.add(native)
      index.add(conversion.aliases(of: native))
    }
  }

  /// The parameters by the names of diffusers.
  private func shared(_ architecture: Architecture) -> [NamedView] {
    architecture.table(scheme).map { conversion(architecture, $0).toDiffusers(own) } ?? own
  }

  private func conversion(_ architecture: Architecture, _ table: RuleTable) -> SchemeConversion {
    SchemeConversion(architecture: architecture, table: table, shapes: shapes, blockCounts: blockCounts)
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
