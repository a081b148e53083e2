import Checkpoints
import ImageModels
import LowRank
import MergeEngine
import MergePlanning
import Safetensors
import TileKernels

/// One of the two image or video models whose difference becomes an adapter.
struct ImageSide: Sendable {
  let model: Checkpoint
  let image: ImageModel
  private let side: any ModelSide
  private let kernels: KernelSet
  private let parameters: [TensorName: LiveParameter]

  /// - Parameter image: What the model is.
  init(_ side: any ModelSide, _ image: ImageModel, kernels: KernelSet) {
    model = side.model
    self.image = image
    self.kernels = kernels
    self.side = side
    parameters = Dictionary(side.parameters.map { ($0.tensor.name, $0) }) { first, _ in first }
  }

  /// The tensors that are numbers, in the order of the files; those that only help to decode others are none.
  var tensors: [TensorName] { side.parameters.map(\.tensor.name) }

  /// A tensor's numbers, as a matrix of the first dimension and all others.
  ///
  /// - Throws: `FactorizationError` with `dtype`.
  func rows(of tensor: TensorName) throws -> any MatrixRows {
    guard let parameter = parameters[tensor] else {
      throw FactorizationError(path: model.path, tensor: tensor.string, .other("a tensor that is not read"))
    }
    return try side.rows(of: parameter)
  }

  /// A parameter's numbers, as a matrix of its first dimension and all others.
  func rows(of parameter: ParameterRows) throws -> any MatrixRows {
    try rows(of: parameter) { try rows(of: $0) }
  }

  private func rows(
    of parameter: ParameterRows, _ tensor: (TensorName) throws -> any MatrixRows
  ) throws -> any MatrixRows {
    let pieces = try parameter.runs.map { JoinedRows.Piece(source: try tensor($0.tensor), rows: $0.rows) }
    let joined: any MatrixRows = parameter.isWhole ? pieces[0].source : JoinedRows(pieces)
    return parameter.isTransposed ? TransposedRows(source: joined) : joined
  }

  /// How a parameter differs from the base's, where that is known without the base.
  func change(of parameter: ParameterRows) -> KnownChange? {
    var added: [TensorName: () throws -> any MatrixRows] = [:]
    for run in parameter.runs {
      switch parameters[run.tensor].flatMap(side.change(of:)) {
      case nil: return nil
      case .something?: return .something
      case .nothing?: break
      case .addition(let rows)?: added[run.tensor] = rows
      }
    }
    if added.isEmpty { return .nothing }
    return .addition {
      try rows(of: parameter) { tensor in
        if let rows = added[tensor] { return try rows() }
        let shape = shape(of: tensor)
        return ZeroRows(rows: shape.first ?? 1, columns: shape.dropFirst().reduce(1, *))
      }
    }
  }

  /// Whether a parameter is made of tensors of numbers; scales of quantized weights are none.
  func has(_ parameter: ParameterRows) -> Bool { parameter.runs.allSatisfy { parameters[$0.tensor] != nil } }

  /// The rows that a tensor has.
  func rowCount(of tensor: TensorName) -> Int { shape(of: tensor).first ?? 1 }

  func shape(of tensor: TensorName) -> [Int] { parameters[tensor]?.tensor.shape ?? [] }

  /// The file of a tensor.
  func path(of tensor: TensorName) -> String {
    parameters[tensor].map { model.files[$0.file].path } ?? model.path
  }

  /// Whether a tensor has the same numbers as one of another model, or the same bytes where it has no numbers that are computed with.
  func hasSameNumbers(_ tensor: TensorName, as other: ImageSide, _ otherTensor: TensorName) throws -> Bool {
    if try hasSameBytes(tensor, as: other, otherTensor) { return true }
    guard shape(of: tensor) == other.shape(of: otherTensor), hasNumbers(tensor), other.hasNumbers(otherTensor) else {
      return false
    }
    let difference = RowDifference(
      base: try rows(of: tensor), tuned: try other.rows(of: otherTensor), kernels: kernels)
    let step = max(1, Self.readElements / max(1, difference.columns))
    var values: [Float] = []
    for start in stride(from: 0, to: difference.rows, by: step) {
      let rows = start..<min(start + step, difference.rows)
      try difference.read(rows, into: &values)
      if values[..<(rows.count * difference.columns)].contains(where: { $0 != 0 }) { return false }
    }
    return true
  }

  /// Elements that a comparison reads at once.
  private static let readElements = 1 << 18

  private func hasNumbers(_ tensor: TensorName) -> Bool { parameters[tensor]?.weight.dtype.elementType != nil }

  /// Whether a tensor is known to be the same as one of another model, by its bytes.
  func hasSameBytes(_ tensor: TensorName, as other: ImageSide, _ otherTensor: TensorName) throws -> Bool {
    guard let one = parameters[tensor], let two = other.parameters[otherTensor] else { return false }
    return try other.side.isKnown(two, toBe: one, of: side)
  }
}
