import MergePlanning
import Safetensors
import TileKernels

/// The files that a plan's factors are in, mapped for the whole merge.
final class FactorInputs: Sendable {
  private let inputs: [MergePlan.Input]
  private let maps: [Int: MappedFile]

  init(_ plan: MergePlan) throws {
    inputs = plan.inputs
    var maps: [Int: MappedFile] = [:]
    let used = Set(plan.updatedTensors.flatMap { $0.update?.terms ?? [] }.flatMap(\.views).map(\.input))
    for input in used { maps[input] = try plan.inputs[input].map() }
    self.maps = maps
  }

  var count: Int { inputs.count }

  func path(of input: Int) -> String { inputs[input].path }

  func withBytes<Result>(of view: FactorView, _ body: (RawSpan) throws -> Result) throws -> Result {
    guard let map = maps[view.input] else {
      throw MergeError(path: path(of: view.input), tensor: nil, .inconsistentPlan("a factor's file is not open"))
    }
    return try map.withBytes(view.range, body)
  }

  /// The matrix as the kernels address it.
  func stridedFactor(_ view: FactorView) throws -> StridedFactor {
    guard let type = view.dtype.elementType else {
      throw MergeError(
        path: path(of: view.input), tensor: nil, .inconsistentPlan("a factor is \(view.dtype.name)"))
    }
    return try StridedFactor(
      elementType: type, rows: view.rows, columns: view.columns, rowStride: view.rowStride,
      columnStride: view.columnStride)
  }

  /// Packs the right factor of each term that has one.
  func pack(_ update: TensorUpdate, kernels: KernelSet) throws -> [PackedRight?] {
    try update.terms.map { term in
      guard case .lowRank(_, let right) = term.kind else { return nil }
      let factor = try stridedFactor(right)
      return try withBytes(of: right) { try PackedRight(factor, in: $0, kernels: kernels) }
    }
  }

  func checkUnchanged() throws {
    for map in maps.values { try map.file.checkUnchanged() }
  }
}

extension DeltaTerm {
  var views: [FactorView] {
    switch kind {
    case .lowRank(let left, let right): [left, right]
    case .scaled(let values): [values]
    }
  }
}

extension MergePlan.Input {
  /// Maps the file if it is still the one that was planned with.
  func map() throws -> MappedFile {
    let file = try InputFile(path: path)
    guard file.identity == identity else { throw MergeError(path: path, tensor: nil, .changed) }
    return try MappedFile(file)
  }
}
