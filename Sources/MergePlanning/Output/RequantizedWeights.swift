import Checkpoints
import JSONText
import Safetensors

/// The weights that are written in the base's own format again: those that an adapter changes, if that is asked for, or if
/// the weight files alone say what is quantized and no dtype is asked for.
struct RequantizedWeights {
  private let inputs: MergeInputs
  let groups: [TensorName: QuantizedTensor]
  /// How the weights are written where their codes have one scale, or none: by the matrix of their update.
  private let wholes: [TensorName: Requantization]

  /// - Throws: ``PlanError`` for a format or a change that can't be requantized.
  init(_ inputs: MergeInputs, _ updates: [TensorName: PendingUpdate]) throws(PlanError) {
    self.inputs = inputs
    let (base, quantized) = (inputs.base, inputs.quantized)
    let isAsked = inputs.options.requantizes
    guard isAsked || (quantized.isToldByFiles && inputs.options.outputDType == nil) else {
      (groups, wholes) = ([:], [:])
      return
    }
    guard quantized.method != nil else {
      throw PlanError(path: base.path, tensor: nil, .requantizing("a base that is not quantized"))
    }
    guard !isAsked || (inputs.options.outputDType == nil && inputs.options.arithmetic == .exact) else {
      throw PlanError(path: base.path, tensor: nil, .requantizing("another dtype or arithmetic"))
    }
    var found: [TensorName: QuantizedTensor] = [:]
    var wholes: [TensorName: Requantization] = [:]
    for (name, update) in updates.sorted(by: { $0.key < $1.key }) {
      guard let group = quantized.groups[name] else { continue }
      if quantized.isToldByFiles {
        guard update.changesTensor else { continue }
        do throws(PlanError) {
          wholes[name] = try ComfyRequantization(inputs, group, update).requantization()
          found[name] = group
        } catch {
          // A layer that has a description of its own leaves the format without the others.
          guard group.isDescribedAlone, !isAsked else { throw error }
        }
        continue
      }
      func refused(_ what: String) -> PlanError { Self.refused(inputs, group, what) }
      if update.replacement != nil { throw refused("a weight that the adapter brings whole") }
      if !update.rows.isEmpty { throw refused("a weight of which single rows are replaced") }
      if update.decomposition != nil { throw refused("a weight that a part is taken out of") }
      if update.isConvolution { throw refused("a convolution") }
      if update.steps.isEmpty { continue }
      // Others have rules, names or metadata of their own.
      guard quantized.kind?.isWrittenBack ?? true else { throw refused(quantized.method ?? "") }
      _ = try Self.requantization(inputs, group, .codes)
      found[name] = group
    }
    groups = found
    self.wholes = wholes
  }

  /// How a part of a weight is written again; nil: the part stays.
  ///
  /// - Parameters:
  ///   - source: The part in the base.
  ///   - isCodes: Whether it is the codes.
  func requantization(
    of group: QuantizedTensor, _ source: MergePlan.Source, isCodes: Bool
  ) throws(PlanError) -> Requantization? {
    let part: Requantization.Part
    if isCodes {
      part = .codes
    } else if source == group.weight.scales {
      part = .scales
    } else if case .nibbles(_, _, let nested?) = group.weight.format, source == nested.scales {
      part = .nestedScales
    } else {
      return nil
    }
    if let whole = wholes[group.name] { return whole.of(part) }
    return try Self.requantization(inputs, group, part)
  }

  private static func refused(_ inputs: MergeInputs, _ group: QuantizedTensor, _ what: String) -> PlanError {
    PlanError(path: inputs.base.files[group.location.file].path, tensor: group.name, .requantizing(what))
  }

  private static func requantization(
    _ inputs: MergeInputs, _ group: QuantizedTensor, _ part: Requantization.Part
  ) throws(PlanError) -> Requantization {
    let (weight, method, config) = (group.weight, inputs.quantized.method ?? "", inputs.base.config)
    func refused(_ what: String) -> PlanError { Self.refused(inputs, group, what) }
    if case .nibbles(.nf4, let block, let nested) = weight.format {
      guard let grid = grid(block: block * (nested?.block ?? 1), of: group.shape) else {
        throw refused("\(method), nf4, with rows of \(group.shape.last ?? 0) elements")
      }
      return Requantization(
        rule: .reciprocal, grid: grid, part: part, scaleDType: weight.scales.dtype,
        nibbles: Requantization.NF4Layout(block: block, nested: nested))
    }
    guard case .blocks(let grid) = weight.format else { throw refused(describe(weight.format, method)) }
    if method == "compressed-tensors", [.u8, .f8E8M0].contains(weight.scales.dtype) {
      throw refused("\(method), mxfp8-quantized")
    }
    guard weight.codes.dtype == .f8E4M3 else { throw refused("\(method) with codes of \(weight.codes.dtype.name)") }
    let scaleFormat = ModelConfig.quantizationPath(config).flatMap { config?[$0 + ["scale_fmt"]] }
    let isPowerOfTwo = [.f8E8M0, .u8].contains(weight.scales.dtype) || scaleFormat == .string("ue8m0")
    guard [.f32, .bf16, .f16, .f8E8M0, .u8].contains(weight.scales.dtype) else {
      throw refused("\(method) with scales of \(weight.scales.dtype.name)")
    }
    return Requantization(
      rule: method == "compressed-tensors" ? .quotient : .reciprocal, isPowerOfTwo: isPowerOfTwo, grid: grid,
      part: part, scaleDType: weight.scales.dtype)
  }

  /// Bands of as many rows as hold whole runs of so many elements; nil: they would be too large to be held.
  private static func grid(block: Int, of shape: [Int]) -> QuantizedWeight.Grid? {
    let (rows, columns) = TensorUpdate.matrix(of: shape)
    guard rows > 0, columns > 0 else { return nil }
    var (one, other) = (columns, block)
    while other > 0 { (one, other) = (other, one % other) }
    let bandRows = min(block / one, rows)
    guard bandRows <= largestBandElementCount / columns else { return nil }
    return QuantizedWeight.Grid(blockRows: bandRows, blockColumns: columns, rows: rows, columns: columns)
  }

  private static let largestBandElementCount = 1 << 22

  private static func describe(_ format: QuantizedWeight.Format, _ method: String) -> String {
    switch format {
    case .blocks, .numbers, .integers, .int8Rows: "\(method), 8 bits"
    case .nibbles(let nibbles, _, _): "\(method), \(nibbles.rawValue)"
    case .mxfp4: method
    case .packedRows(let packed): "\(method), \(packed.numbers == .e2m1 ? "FP4" : "integers of \(packed.bits) bits")"
    case .packedColumns(let packed): "\(method), \(packed.bits) bits"
    }
  }
}
