import Checkpoints
import Safetensors

/// What lies in the modules of a base beside their weights, by its names: whether it belongs to codes, and of what kind.
struct CodeSiblings {
  enum Kind {
    /// Rounds the inputs of a layer while it is quantized; of no use without the codes.
    case activation
    /// Of the cache of keys and values: stays in force, and so does the config.
    case runTime
    case unknown
  }

  struct Sibling {
    let group: TensorName
    let location: Checkpoint.Location
    let kind: Kind
  }

  private static let activationLeaves: Set<String> = [
    "input_scale", "input_scale_ub", "input_global_scale", "input_zero_point", "activation_scale", "qscale_act",
    "act_scale", "scale_input",
  ]
  private static let runTimeLeaves: Set<String> = [
    "k_scale", "v_scale", "q_scale", "prob_scale", "k_zero_point", "v_zero_point", "q_zero_point", "k_global_scale",
    "v_global_scale", "k_proj.output_scale", "v_proj.output_scale",
  ]
  /// In place of a weight, in layouts that are decoded and in others.
  static let codeLeaves = [
    "qweight", "weight_packed", "weight._data", "_weight_qdata", "W_q", "compressed", "weight.compressed",
    "packed_weight",
    "codes", "Qidxs", "trellis", "indices", "weight_q", "qweight_packed",
  ]
  /// Layouts by tensors that no other has.
  private static let layouts: [(leaf: String, name: String)] = [
    ("comfy_quant", "ComfyUI's quantized layers"), ("scale_weight", "ComfyUI's scaled FP8"),
    ("bitmask", "sparse-24-bitmask of compressed-tensors"), ("weight._data", "optimum-quanto"), ("W_q", "HQQ"),
    ("weight.absmax", "bitsandbytes"), ("SCB", "bitsandbytes"), ("qzeros", "GPTQ or AWQ"),
    ("weight_packed", "compressed-tensors"), ("_weight_qdata", "torchao"), ("biases", "MLX"),
    ("Qidxs", "QuIP#"), ("trellis", "EXL3"), ("codebooks", "AQLM"), ("centroids", "VPTQ"),
  ]

  private let base: Checkpoint
  /// The AWQ scales of activations that are tensors of their own (`mlp.act.scales`), which the reader divides by.
  let hasRunTimeScales: Bool

  init(_ base: Checkpoint) {
    self.base = base
    hasRunTimeScales = base.files.contains { file in
      file.header.tensors.indices.contains { index in
        let name = file.header.tensors.name(at: index).string
        return name.hasSuffix(".act.scales") || name.hasSuffix(".gelu_impl.scales")
      }
    }
  }

  /// What lies in the modules of `groups`, or below them, and is none of their tensors.
  func beside(
    _ groups: [TensorName: QuantizedTensor], excluding isTaken: (Checkpoint.Location) -> Bool
  ) -> [Sibling] {
    guard !groups.isEmpty else { return [] }
    var groupOfModule: [String: TensorName] = [:]
    var stacks: [String: [TensorName]] = [:]
    for name in groups.keys {
      if name.string.hasSuffix(".weight") {
        groupOfModule[String(name.string.dropLast(".weight".count))] = name
      } else {
        stacks[Self.parent(name.string), default: []].append(name)
      }
    }
    var found: [Sibling] = []
    for (file, index) in base.files.indices.lazy.flatMap({ file in
      base.files[file].header.tensors.indices.lazy.map { (file, $0) }
    }) {
      let location = Checkpoint.Location(file: file, index: index)
      guard !isTaken(location) else { continue }
      let name = base.files[file].header.tensors.name(at: index).string
      var module = Self.parent(name)
      if let stack = stacks[module]?.first(where: { Self.isPart(name, of: $0.string) }) {
        found.append(Sibling(group: stack, location: location, kind: Self.kind(name)))
        continue
      }
      while !module.isEmpty {
        if let group = groupOfModule[module] {
          if !["bias", "weight"].contains(name.dropFirst(module.count + 1)) {
            found.append(Sibling(group: group, location: location, kind: Self.kind(name)))
          }
          break
        }
        module = Self.parent(module)
      }
    }
    return found
  }

  /// The refusal of a module that has codes which no method of the config's describes; nil: it has none.
  ///
  /// - Parameters:
  ///   - name: Its weight.
  ///   - isQuantized: Whether the base says that it has codes.
  func layout(of name: TensorName, isQuantized: Bool) -> PlanError? {
    let module = Self.parent(name.string)
    func location(_ leaf: String) -> Checkpoint.Location? { base.location(of: TensorName("\(module).\(leaf)")) }
    if let known = Self.layouts.first(where: { location($0.leaf) != nil }), let place = location(known.leaf) {
      return error(place, name, "the layout of \(known.name)")
    }
    // Without codes what is called a scale may be the model's own.
    if isQuantized || base.location(of: name).map({ !base.tensor(at: $0).dtype.isMergeable }) ?? false,
      let other = scale(of: name.string, in: module)
    {
      return error(other, name, "\(base.tensor(at: other).name) beside it")
    }
    return nil
  }

  /// The refusal of codes that have scales which nothing describes; nil: nothing scales them, and they scale nothing.
  func scales(of name: TensorName) -> PlanError? {
    if let problem = layout(of: name, isQuantized: true) { return problem }
    for ending in ["_scale", "_scale_2", "_scale_inv"] where name.string.hasSuffix(ending) {
      let codes = TensorName(String(name.string.dropLast(ending.count)))
      if let location = base.location(of: codes) { return error(location, codes, "\(name) beside it") }
    }
    return nil
  }

  private func scale(of name: String, in module: String) -> Checkpoint.Location? {
    Self.scaleNames(of: name, in: module).lazy.filter { $0 != name }.compactMap { base.location(of: TensorName($0)) }
      .first
  }

  /// Whether the base's tensor can be taken as numbers; one that is not there can.
  func isNumbers(_ name: TensorName) -> Bool {
    guard let location = base.location(of: name) else { return true }
    return base.tensor(at: location).dtype.isMergeable
  }

  func hasTensors(inModuleOf name: TensorName) -> Bool {
    let prefix = Self.parent(name.string) + "."
    return base.tensorNames.contains { $0.string.hasPrefix(prefix) }
  }

  private static func scaleNames(of name: String, in module: String) -> [String] {
    [
      "\(name)_scale", "\(name)_scale_inv", "\(name)_zero_point", "\(name)_scale_2", "\(name)_packed", "\(name)_blocks",
      "\(name)._scale", "\(module).scale", "\(module).scales", "\(module).weight_scales", "\(module).qscale_weight",
      "\(module).scale_weight",
    ]
  }

  private func error(_ place: Checkpoint.Location, _ name: TensorName, _ what: String) -> PlanError {
    PlanError(path: base.files[place.file].path, tensor: name, .undescribedCodes(what))
  }

  private static func kind(_ name: String) -> Kind {
    let components = name.split(separator: ".", omittingEmptySubsequences: false)
    let leaf = String(components.last ?? "")
    if activationLeaves.contains(leaf) || activationLeaves.contains(where: { leaf.hasSuffix("_" + $0) }) {
      return .activation
    }
    if runTimeLeaves.contains(leaf) || runTimeLeaves.contains(components.suffix(2).joined(separator: ".")) {
      return .runTime
    }
    return .unknown
  }

  /// Whether a tensor beside a stack of experts is named after it, and is not its bias.
  private static func isPart(_ name: String, of stack: String) -> Bool {
    guard name.utf8.count > stack.utf8.count, name.hasPrefix(stack) else { return false }
    let rest = name.dropFirst(stack.count)
    return (rest.hasPrefix("_") || rest.hasPrefix(".")) && rest != "_bias"
  }

  private static func parent(_ name: String) -> String { name.lastIndex(of: ".").map { String(name[..<$0]) } ?? "" }
}
