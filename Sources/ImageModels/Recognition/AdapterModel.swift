/// What an adapter says by the names of its modules about the model that it was made for.
package struct AdapterModel: Sendable, Equatable {
  /// A part of the model.
  package struct Part: Sendable, Equatable {
    package let part: AdapterPart
    /// How many of the adapter's modules are in it.
    package let moduleCount: Int
  }

  /// A module of an adapter.
  package struct Module: Sendable {
    /// As the adapter has it: with its beginning.
    package let name: String
    /// Columns of its weight; nil: the adapter doesn't tell.
    package let columns: Int?

    package init(name: String, columns: Int?) {
      self.name = name
      self.columns = columns
    }
  }

  /// The diffusion models, then the text encoders, each in the order of the names.
  package let parts: [Part]
  /// The architectures of which the most modules of the diffusion model have names, at least one; empty: none, or the adapter changes
  /// text encoders only. Several have the same names for some modules.
  package let architectures: [String]
  /// How many modules of the diffusion model have names of these architectures.
  package let namedCount: Int
  /// How many modules are in the diffusion model.
  package let diffusionCount: Int

  package init(_ modules: some Sequence<Module>) {
    var counts: [AdapterPart: Int] = [:]
    var own: [(name: String, columns: Int?)] = []
    for module in modules {
      let found = AdapterPart.find(module.name)
      counts[found.part, default: 0] += 1
      if !found.part.isTextEncoder { own.append((found.own, module.columns)) }
    }
    parts = counts.map { Part(part: $0.key, moduleCount: $0.value) }.sorted {
      $0.part.isTextEncoder == $1.part.isTextEncoder
        ? $0.part.name < $1.part.name : $1.part.isTextEncoder
    }
    diffusionCount = own.count
    let names = own.map { FlatName(Self.withoutParameter($0.name)) }
    let fits = KnownNames.all.map { known in (known, names.count(where: known.contains)) }
    let best = fits.map(\.1).max() ?? 0
    namedCount = best
    var found = best == 0 ? [] : fits.filter { $0.1 == best }.map(\.0)
    // UNets have many names in common, and differ in what they attend to.
    let widths = Set(own.compactMap { Self.attendsToContext($0.name) ? $0.columns : nil })
    if widths.count == 1, let width = widths.first {
      let fitting = found.filter { $0.contextWidth == width }
      if !fitting.isEmpty { found = fitting }
    }
    architectures = found.map(\.architecture)
  }

  /// A module's name where a parameter's is given.
  private static func withoutParameter(_ name: String) -> String {
    name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
  }

  /// Whether the columns of a module of a UNet are the width of the context.
  private static func attendsToContext(_ name: String) -> Bool {
    ["attn2.to_k", "attn2.to_v", "attn2_to_k", "attn2_to_v"].contains { name.hasSuffix($0) }
  }
}
