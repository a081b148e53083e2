import Checkpoints
import JSONText
import Safetensors

/// The weights that a base keeps as codes: each is a group of tensors, which a merge takes as one tensor of numbers.
///
/// Found by headers and config.json; of tensors only `quant_state` of bitsandbytes is read, which holds a JSON text.
struct QuantisedBase {
  struct Group {
    /// The name that the weight has as numbers.
    let name: TensorName
    let dtype: DType
    let shape: [Int]
    let weight: QuantisedWeight
    /// Where the codes are.
    let location: Checkpoint.Location
    /// Scales and whatever else is of no use without the codes.
    let parts: [Checkpoint.Location]

    /// What config.json calls not quantised when the weight is numbers: its module, or the experts that it is one of,
    /// which are loaded together.
    var module: String { QuantisedBase.module(of: name.string) }
  }

  /// `quant_method`; nil: the base is not quantised.
  let method: String?
  let groups: [TensorName: Group]
  private let groupOfTensor: [Place: (name: TensorName, isCodes: Bool)]

  private struct Place: Hashable {
    let file: Int
    let index: Int
  }

  init(_ base: Checkpoint) throws {
    method = ConfigFacts.quantization(base.config)
    guard let method else {
      groups = [:]
      groupOfTensor = [:]
      return
    }
    let finder = try QuantisedGroups(base, method: method)
    var groups: [TensorName: Group] = [:]
    var places: [Place: (name: TensorName, isCodes: Bool)] = [:]
    for group in try finder.groups() {
      groups[group.name] = group
      places[Place(file: group.location.file, index: group.location.index)] = (group.name, true)
      for part in group.parts { places[Place(file: part.file, index: part.index)] = (group.name, false) }
    }
    self.groups = groups
    groupOfTensor = places
  }

  /// The group whose codes the tensor is.
  func group(at location: Checkpoint.Location) -> Group? {
    guard let found = groupOfTensor[Place(file: location.file, index: location.index)], found.isCodes else {
      return nil
    }
    return groups[found.name]
  }

  /// The group that the tensor is a part of, without being its codes.
  func owner(at location: Checkpoint.Location) -> TensorName? {
    guard let found = groupOfTensor[Place(file: location.file, index: location.index)], !found.isCodes else {
      return nil
    }
    return found.name
  }

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
