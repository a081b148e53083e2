import Checkpoints
import Safetensors

/// How a changed weight is written in FP8 again in a file that ComfyUI loads: with one scale, or with none.
struct ComfyRequantization {
  private let inputs: MergeInputs
  private let group: QuantizedTensor
  private let update: PendingUpdate

  init(_ inputs: MergeInputs, _ group: QuantizedTensor, _ update: PendingUpdate) {
    self.inputs = inputs
    self.group = group
    self.update = update
  }

  /// Of the codes.
  ///
  /// - Throws: ``PlanError`` where the weight can't be written in its format, or where that was to be asked for.
  func requantization() throws(PlanError) -> Requantization {
    let codes = group.weight.codes.dtype
    if update.replacement != nil { throw refused("a weight that the adapter brings whole") }
    if !update.rows.isEmpty { throw refused("a weight of which single rows are replaced") }
    if update.decomposition != nil { throw refused("a weight that a part is taken out of") }
    let (rows, columns) = update.matrix(of: group.shape)
    switch group.weight.format {
    case .numbers:
      guard inputs.options.requantizes else { throw error(.unscaledFP8(codes)) }
      guard codes == .f8E4M3 else { throw refused("a weight of \(codes.name)") }
      if inputs.options.arithmetic != .exact { throw refused("another arithmetic") }
      return Requantization(
        rule: .unscaled, grid: grid(blockRows: 1, rows, columns), part: .codes, scaleDType: .f32)
    case .blocks(let blocks):
      guard codes == .f8E4M3, blocks.scaleRows * blocks.scaleColumns <= 1 else {
        throw refused("a weight of \(codes.name)")
      }
      if inputs.options.arithmetic != .exact { throw refused("another arithmetic") }
      return Requantization(
        rule: .quotient, grid: grid(blockRows: rows, rows, columns), part: .codes,
        scaleDType: group.weight.scales.dtype)
    default: throw refused("a weight of \(codes.name)")
    }
  }

  private func grid(blockRows: Int, _ rows: Int, _ columns: Int) -> QuantizedWeight.Grid {
    QuantizedWeight.Grid(blockRows: max(blockRows, 1), blockColumns: max(columns, 1), rows: rows, columns: columns)
  }

  private func refused(_ what: String) -> PlanError { error(.staysFP8(what)) }

  private func error(_ problem: PlanError.Problem) -> PlanError {
    PlanError(path: inputs.base.files[group.location.file].path, tensor: group.name, problem)
  }
}
