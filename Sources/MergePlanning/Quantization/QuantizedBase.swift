import Checkpoints
import JSONText
import ModelNames
import Safetensors

/// The weights that a base keeps as codes: each is a group of tensors, which a merge takes as one tensor of numbers.
///
/// Found by headers and config.json; of tensors only those are read that say how a weight is laid out (`quant_state` and
/// `weight_format` of bitsandbytes, `weight_shape` of compressed-tensors). Weights that cannot be dequantized are a problem of those
/// modules alone: a merge that does not touch them copies them.
struct QuantizedBase {
  /// `quant_method`; nil: the base is not quantized.
  let method: String?
  /// The method of that name; nil: the base is not quantized, or by none that is known.
  let kind: (any QuantizationMethod.Type)?
  /// Where that is said; nil: nothing says it, and the tensors alone are codes, or none are.
  let source: QuantizationSource?
  let groups: [TensorName: QuantizedTensor]
  /// Why the codes of a module, or of a list of experts, are not decoded.
  let problems: [String: PlanError]
  /// Why no codes of the base may be decoded; nil: they may.
  let problem: PlanError?
  /// Whether something that is no weight needs the config when the model runs.
  let needsConfig: Bool
  private let markers: Set<Place>
  private let groupOfTensor: [Place: (name: TensorName, isCodes: Bool)]
  private let transforms: OnlineTransforms?
  private let siblings: CodeSiblings

  struct Place: Hashable {
    let file: Int
    let index: Int

    init(_ location: Checkpoint.Location) { (file, index) = (location.file, location.index) }
  }

  init(_ base: Checkpoint) throws {
    source = try QuantizationSource.find(in: base)
    let codes = CodedTensors(base, source: source)
    var found = try QuantizationMethods.tensors(codes)
    kind = source == nil ? (found.tensors.isEmpty ? nil : PlainFP8.self) : QuantizationMethods.named(codes.method)
    method = source?.method ?? (found.tensors.isEmpty ? nil : PlainFP8.title)
    let siblings = CodeSiblings(base)
    var needsConfig = false
    if let source {
      let fields = QuantizationFields(source: source, path: codes.configPath)
      found.problem = found.problem ?? fields.problem()
      needsConfig = fields.isNeededAtRunTime
    }
    var groups: [TensorName: QuantizedTensor] = [:]
    var places: [Place: (name: TensorName, isCodes: Bool)] = [:]
    for group in found.tensors {
      groups[group.name] = group
      places[Place(group.location)] = (group.name, true)
      for part in group.parts { places[Place(part)] = (group.name, false) }
    }
    // What lies beside codes belongs to them, is no matter of theirs, or is nothing that a rule knows.
    for sibling in siblings.beside(groups, excluding: { places[Place($0)] != nil }) {
      switch sibling.kind {
      case .activation:
        groups[sibling.group]?.parts.append(sibling.location)
        places[Place(sibling.location)] = (sibling.group, false)
      case .runTime: needsConfig = needsConfig || source != nil
      case .unknown:
        found.problems[Self.module(of: sibling.group.string)] = PlanError(
          path: base.files[sibling.location.file].path, tensor: base.tensor(at: sibling.location).name,
          .besideCodes(of: sibling.group.string))
      }
    }
    if source != nil, siblings.hasRunTimeScales { needsConfig = true }
    self.groups = groups
    self.needsConfig = needsConfig
    self.siblings = siblings
    groupOfTensor = places
    markers = Set(found.markers.map(Place.init))
    problems = found.problems
    problem = found.problem
    transforms = source.flatMap { OnlineTransforms($0, path: codes.configPath) }
  }

  /// The group whose codes the tensor is.
  func group(at location: Checkpoint.Location) -> QuantizedTensor? {
    guard let found = groupOfTensor[Place(location)], found.isCodes else { return nil }
    return groups[found.name]
  }

  /// The group that the tensor is a part of, without being its codes.
  func owner(at location: Checkpoint.Location) -> TensorName? {
    guard let found = groupOfTensor[Place(location)], !found.isCodes else { return nil }
    return found.name
  }

  /// Why a tensor of the base must not be changed: it is codes that are not decoded, or the reader does more with its
  /// module than multiply by it. Nil: it may be.
  func problem(changing name: TensorName) -> PlanError? {
    let module = Self.module(of: name.string)
    if let problem = transforms?.problem(of: module) { return problem }
    if let group = groups[name] {
      if let problem { return problem }
      // Weights of one module are decoded together, with GPTQ all.
      return problems[group.module] ?? (decodesAll ? problems.min { $0.key < $1.key }?.value : nil)
    }
    guard !name.string.hasSuffix(".bias") else { return nil }
    if let found = problems[module] { return problem ?? found }
    if let layout = siblings.layout(of: name, isQuantized: source != nil) { return problem ?? layout }
    return siblings.isNumbers(name) ? nil : problem
  }

  /// Why a module without a weight of its own cannot be changed: it has codes in other tensors. Nil: it can be.
  func problem(without name: TensorName) -> PlanError? {
    if let found = problems[Self.module(of: name.string)] { return problem ?? found }
    if let layout = siblings.layout(of: name, isQuantized: source != nil) { return problem ?? layout }
    return siblings.hasTensors(inModuleOf: name) ? problem : nil
  }

  /// Why a weight that the base doesn't have cannot be changed: its module has codes that are not decoded.
  ///
  /// - Parameter resolver: Finds the codes by the rules by which it would have found the weight.
  func problem(
    inPlaceOf name: TensorName, in tensors: TensorShapes, _ resolver: inout NameResolver
  ) -> PlanError? {
    guard name.string.hasSuffix(".weight") else { return nil }
    if let problem = problem(without: name) { return problem }
    let module = name.string.dropLast("weight".count)
    for leaf in CodeSiblings.codeLeaves {
      guard case .success(let found)? = resolver.resolve("\(module)\(leaf)", rows: nil, in: tensors),
        let tensor = found.parts.first?.tensor.string
      else { continue }
      return problem(without: TensorName("\(tensor.dropLast(leaf.count))weight"))
    }
    return nil
  }

  /// Whether the tensor only says how its file is read, and is of no use in one without quantized weights.
  func isMarker(at location: Checkpoint.Location) -> Bool { markers.contains(Place(location)) }

  /// Whether the weight files alone say what is quantized.
  var isToldByFiles: Bool { kind?.isToldByFiles ?? false }

  /// Whether a change of one weight dequantizes all: the method has no list, that all its readers know, of what is not
  /// quantized.
  var decodesAll: Bool { kind?.decodesAllTogether ?? false }

  /// The module of a tensor, or the list of experts that it is in.
  static func module(of name: String) -> String {
    let components = name.split(separator: ".", omittingEmptySubsequences: false)
    for (position, component) in components.enumerated().dropLast(2)
    where component == "experts" && components[position + 1].allSatisfy({ $0.isASCII && $0.isNumber }) {
      return components[...position].joined(separator: ".")
    }
    return components.dropLast().joined(separator: ".")
  }
}
