import ModelNames
import Safetensors

/// What a base of an image or video model consists of, and where in it the modules are that adapters name.
///
/// Adapters name modules in the spelling of the published code, of ComfyUI or of diffusers, with dots or underscores, under many
/// beginnings. Every spelling of every module of the base is registered, and names are looked up among them: no name is split
/// or compared by similarity, and a name that leads to two places is a problem.
package struct ImageModel: Sendable {
  /// What texts call it, such as `SDXL` or `FLUX.1`; `unknown`: only its own names are known.
  package let architecture: String
  /// Whether the architecture's names are known in all spellings.
  package let isRecognized: Bool
  /// The diffusion models, then the text encoders. The VAE and averaged copies are none: no adapter changes them.
  package var components: [Component] { parts.map(\.component) }

  private(set) var parts: [ComponentNames]
  /// The VAEs, which are no components: names of adapters are never looked up in them.
  let autoencoders: [ComponentNames]
  private(set) var prefixes: [AdapterPrefixes]

  /// A base with these tensors; nil: it is no image or video model.
  ///
  /// - Parameters:
  ///   - names: Of all tensors: of a single file as they are, of a diffusers folder with the part's folder and a slash before them.
  ///   - tensors: Their shapes.
  package init?(names: some Sequence<TensorName>, in tensors: some NamedTensors) {
    let search = ComponentSearch(names: names, in: tensors)
    guard !search.found.isEmpty else { return nil }
    architecture = search.architecture ?? search.found[0].component.kind.name
    isRecognized = search.isRecognized || search.architecture == nil
    parts = search.found.map { ComponentNames($0.component, $0.architecture, $0.tensors) }
    autoencoders = search.autoencoders.map { ComponentNames($0.component, $0.architecture, $0.tensors) }
    let all = parts.map(\.component)
    let order = search.found.lazy.compactMap(\.architecture?.encoders).first { !$0.isEmpty } ?? []
    prefixes = all.map { AdapterPrefixes($0, among: all, order: order) }
  }

  /// The same base where names are looked up in some of its components only, such as one of the two transformers of Wan 2.2.
  package func limited(to isWanted: (Component) -> Bool) -> ImageModel {
    var result = self
    let kept = parts.indices.filter { isWanted(parts[$0].component) }
    result.parts = kept.map { parts[$0] }
    result.prefixes = kept.map { prefixes[$0] }
    return result
  }

  /// Finds a parameter of a module.
  ///
  /// - Parameters:
  ///   - module: The module's name as an adapter has it: with its beginning and without the ending that says what the tensor is.
  ///   - parameter: Which of its parameters.
  ///   - shortensOutput: Whether `to_out` may mean `to_out.0`, as in the attention processors of old versions of diffusers.
  /// - Returns: The place, or the reason that a module of the base has no such parameter; nil: the base has no such module.
  package func place(
    _ module: String, _ parameter: ModuleParameter, shortensOutput: Bool = false
  ) -> Result<ImagePlacement, NameProblem>? {
    var hits: [Hit] = []
    for text in Self.readings(of: module) { find(text, into: &hits) }
    if hits.isEmpty, shortensOutput, module.hasSuffix("to_out") || module.hasSuffix("to_out.weight") {
      let short = module.hasSuffix(".weight") ? String(module.dropLast(".weight".count)) : module
      for separator in [".", "_"] { find(short + separator + "0", into: &hits) }
    }
    guard let first = hits.first else { return nil }
    var found: [(part: Int, view: NamedView)] = []
    for hit in hits {
      let names = parts[hit.part].index
      for number in names.modules[hit.module].slot(parameter).all {
        let view = names.views[number]
        if !found.contains(where: { $0.part == hit.part && $0.view.view == view.view }) {
          found.append((hit.part, view))
        }
      }
    }
    guard let only = found.first else {
      return .failure(
        .noParameter(
          target: module, parameter: parameter.name, module: parts[first.part].index.modules[first.module].name))
    }
    guard found.count == 1 else {
      let names = found.map { parts[$0.part].component.prefix + $0.view.name }
      return .failure(.ambiguousName(target: module, candidates: Set(names).sorted()))
    }
    return parts[only.part].placement(of: only.view).map {
      ImagePlacement(placement: $0, component: parts[only.part].component)
    }
  }

  /// A module that a name leads to.
  private struct Hit: Equatable {
    let part: Int
    let module: Int
  }

  private func find(_ text: String, into hits: inout [Hit]) {
    for part in parts.indices {
      func add(_ modules: [Int]) {
        for module in modules where !hits.contains(Hit(part: part, module: module)) {
          hits.append(Hit(part: part, module: module))
        }
      }
      for prefix in prefixes[part].dotted where text.hasPrefix(prefix) {
        add(parts[part].index.modules(dotted: String(text.utf8.dropFirst(prefix.utf8.count)) ?? ""))
      }
      for prefix in prefixes[part].flat where text.hasPrefix(prefix) {
        add(parts[part].index.modules(flat: String(text.utf8.dropFirst(prefix.utf8.count)) ?? ""))
      }
    }
  }

  /// The name without what trainers and torch put around it.
  private static func readings(of module: String) -> [String] {
    var readings = [module]
    func add(_ text: Substring) {
      if !text.isEmpty, !readings.contains(String(text)) { readings.append(String(text)) }
    }
    for wrapper in ["module.", "_orig_mod."] where module.hasPrefix(wrapper) { add(module.dropFirst(wrapper.count)) }
    for text in readings {
      if text.hasSuffix(".weight") { add(text.dropLast(".weight".count)) }
      if text.hasSuffix("_") { add(text.dropLast()) }
    }
    return readings
  }

  /// Names of modules that a person may have meant, for messages. Nothing is ever found by similarity.
  package func nearestNames(to module: String) -> [String] {
    func spread(_ name: String) -> String { String(name.map { $0 == "_" ? "." : $0 }) }
    var wanted = module
    let beginnings = prefixes.flatMap { $0.dotted + $0.flat }.sorted { $1.count < $0.count }
    if let beginning = beginnings.first(where: { !$0.isEmpty && module.hasPrefix($0) }) {
      wanted = String(module.dropFirst(beginning.count))
    }
    var names: [TensorName: String] = [:]
    for part in parts {
      for known in part.index.modules where names[TensorName(spread(known.name))] == nil {
        names[TensorName(spread(known.name))] = known.name
      }
    }
    return NearestNames.find(spread(wanted), in: names.keys).compactMap { names[TensorName($0)] }
  }
}
