import Checkpoints
import Safetensors

/// Which tensors of a model are the codes of a weight or parts of one: the one answer for every command.
///
/// What a merge decodes is described by `QuantizedBase`. What that does not know is recognized by names, dtypes and
/// shapes that fit each other (`StoredLayout`); what does not fit stays a tensor as it is.
public struct StoredWeights: Sendable {
  /// The role of a tensor.
  public enum Role: Equatable, Sendable {
    /// It is what its header says.
    case plain
    /// The codes of the weight at this place of ``weights``.
    case codes(Int)
    /// Scales and the like of the weight at this place of ``weights``.
    case part(Int)
  }

  /// In the order of their codes.
  public let weights: [StoredWeight]
  /// What kept a merge's own reader from describing the weights; nil: nothing did.
  public let refusal: (any Error)?
  /// By file and place of the tensor: 0 for plain, else twice the number of the weight plus 1 for codes and 2 for parts.
  private let roles: [[Int32]]

  /// No quantized weights.
  public static let none = StoredWeights(weights: [], refusal: nil, roles: [])

  private init(weights: [StoredWeight], refusal: (any Error)?, roles: [[Int32]]) {
    self.weights = weights
    self.refusal = refusal
    self.roles = roles
  }

  /// Looks at headers, config.json and small tensors that hold shapes.
  public init(_ model: Checkpoint) {
    var decoded: [StoredWeight] = []
    var refusal: (any Error)?
    do {
      let base = try QuantizedBase(model)
      refusal = base.problem ?? base.problems.min { $0.key < $1.key }?.value
      // A tensor of FP8 that nothing scales is what its header says.
      decoded = base.groups.values.filter { $0.weight.format != .numbers }.map { group in
        StoredWeight(
          name: group.name, label: group.weight.label(codes: model.tensor(at: group.location).dtype),
          shape: group.shape, codes: group.location, parts: group.parts,
          zeroCodesAreZero: group.weight.zeroCodesAreZero)
      }.sorted { Self.precedes($0.codes, $1.codes) }
    } catch { refusal = error }
    self.init(decoded, StoredLayout.weights(of: model), of: model, refusal: refusal)
  }

  /// A tensor that two weights claim belongs to the first; what a merge decodes comes before what is only recognized.
  private init(
    _ decoded: [StoredWeight], _ recognized: [StoredWeight], of model: Checkpoint, refusal: (any Error)?
  ) {
    guard !decoded.isEmpty || !recognized.isEmpty else {
      self.init(weights: [], refusal: refusal, roles: [])
      return
    }
    var isUsed = model.files.map { [Bool](repeating: false, count: $0.header.tensors.count) }
    var kept: [StoredWeight] = []
    for weight in decoded + recognized where weight.members.allSatisfy({ !isUsed[$0.file][$0.index] }) {
      for member in weight.members { isUsed[member.file][member.index] = true }
      kept.append(weight)
    }
    kept.sort { Self.precedes($0.codes, $1.codes) }
    var roles = model.files.map { [Int32](repeating: 0, count: $0.header.tensors.count) }
    for (number, weight) in kept.enumerated() {
      roles[weight.codes.file][weight.codes.index] = Int32(2 * number + 1)
      for part in weight.parts { roles[part.file][part.index] = Int32(2 * number + 2) }
    }
    self.init(weights: kept, refusal: refusal, roles: roles)
  }

  private static func precedes(_ one: Checkpoint.Location, _ other: Checkpoint.Location) -> Bool {
    (one.file, one.index) < (other.file, other.index)
  }

  public func role(file: Int, index: Int) -> Role {
    guard !roles.isEmpty, roles[file][index] > 0 else { return .plain }
    let number = Int(roles[file][index] - 1)
    return number % 2 == 0 ? .codes(number / 2) : .part(number / 2)
  }

  public func role(at location: Checkpoint.Location) -> Role { role(file: location.file, index: location.index) }

  /// The parameters of the model that a tensor holds: those of the weight for its codes, none for parts.
  ///
  /// Codes of which nothing says how many they are count as the elements that they are.
  ///
  /// - Parameters:
  ///   - file: The number of the tensor's file.
  ///   - index: The tensor's place in it.
  ///   - elementCount: Of the tensor by its header.
  public func parameterCount(file: Int, index: Int, elementCount: Int) -> Int {
    switch role(file: file, index: index) {
    case .plain: elementCount
    case .codes(let number): weights[number].elementCount ?? elementCount
    case .part: 0
    }
  }
}
