import Checkpoints
import JSONText
import Safetensors

extension MergePlanner {
  /// The weights that are written in the base's own format again: those that an adapter changes, if that is asked for.
  ///
  /// - Throws: ``PlanError`` for a format or a change that this is not done for.
  func requantisedWeights() throws(PlanError) -> [TensorName: QuantisedBase.Group] {
    guard options.requantises else { return [:] }
    guard quantised.method != nil else {
      throw PlanError(path: base.path, tensor: nil, .requantising("a base that is not quantised"))
    }
    guard options.outputDType == nil, options.arithmetic == .exact else {
      throw PlanError(path: base.path, tensor: nil, .requantising("another dtype or arithmetic"))
    }
    var found: [TensorName: QuantisedBase.Group] = [:]
    for (name, work) in works.sorted(by: { $0.key < $1.key }) {
      guard let group = quantised.groups[name] else { continue }
      let path = base.files[group.location.file].path
      func refused(_ what: String) -> PlanError { PlanError(path: path, tensor: name, .requantising(what)) }
      if work.replacement != nil { throw refused("a weight that the adapter brings whole") }
      if !work.rows.isEmpty { throw refused("a weight of which single rows are replaced") }
      if work.residual != nil { throw refused("a weight that a part is taken out of") }
      if work.isConvolution { throw refused("a convolution") }
      if work.stages.isEmpty { continue }
      _ = try requantisation(group, .codes)
      found[name] = group
    }
    return found
  }

  /// How one part of a weight is made anew.
  func requantisation(
    _ group: QuantisedBase.Group, _ part: Requantisation.Part
  ) throws(PlanError) -> Requantisation {
    let (weight, method) = (group.weight, quantised.method ?? "")
    func refused(_ what: String) -> PlanError {
      PlanError(path: base.files[group.location.file].path, tensor: group.name, .requantising(what))
    }
    guard case .blocks(let grid) = weight.format else { throw refused(describe(weight.format, method)) }
    guard weight.codes.dtype == .f8E4M3 else { throw refused("\(method) with codes of \(weight.codes.dtype.name)") }
    let scaleFormat = ConfigFacts.quantizationPath(base.config).flatMap { base.config?[$0 + ["scale_fmt"]] }
    let isPowerOfTwo = weight.scales.dtype == .f8E8M0 || scaleFormat == .string("ue8m0")
    guard [.f32, .bf16, .f16, .f8E8M0].contains(weight.scales.dtype) else {
      throw refused("\(method) with scales of \(weight.scales.dtype.name)")
    }
    return Requantisation(
      rule: method == "compressed-tensors" ? .quotient : .reciprocal, isPowerOfTwo: isPowerOfTwo, grid: grid, part: part
    )
  }

  private func describe(_ format: QuantisedWeight.Format, _ method: String) -> String {
    switch format {
    case .blocks, .integers, .int8Rows: "\(method), 8 bits"
    case .halves(let halves, _, _): "\(method), \(halves.rawValue)"
    case .mxfp4: method
    case .packedRows(let packed): "\(method), \(packed.numbers == .e2m1 ? "nvfp4-pack-quantized" : "pack-quantized")"
    case .packedColumns: "\(method), 4 bits"
    }
  }
}
