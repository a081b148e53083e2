import MergePlanning
import Safetensors
import Synchronization
import TileKernels

/// The files that a plan reads: mapped when a job first needs one, let go when the last output file that needs it is
/// complete.
final class InputMaps: Sendable {
  private struct State {
    var maps: [Int: MappedFile] = [:]
    /// Output files not complete yet that need each input.
    var users: [Int: Int] = [:]
  }

  private let inputs: [MergePlan.Input]
  private let inputsOfShards: [Set<Int>]
  private let state: Mutex<State>

  init(_ plan: MergePlan) {
    inputs = plan.inputs
    inputsOfShards = plan.shards.map { shard in
      var used: Set<Int> = []
      for tensor in shard.tensors {
        used.insert(tensor.source.input)
        for view in tensor.update?.views ?? [] { used.insert(view.source.input) }
      }
      return used
    }
    var users: [Int: Int] = [:]
    for input in inputsOfShards.joined() { users[input, default: 0] += 1 }
    state = Mutex(State(users: users))
  }

  func path(of input: Int) -> String { inputs[input].path }

  /// Calls `body` with bytes of an input.
  func withBytes<Result>(
    _ input: Int, _ range: Range<Int>, _ body: (RawSpan) throws -> Result
  ) throws -> Result {
    let map = try state.withLock { state in
      if let map = state.maps[input] { return map }
      let file = try InputFile(path: inputs[input].path)
      guard file.identity == inputs[input].identity else {
        throw MergeError(path: inputs[input].path, tensor: nil, .changed)
      }
      let map = try MappedFile(file)
      state.maps[input] = map
      return map
    }
    guard range.upperBound <= map.byteCount else {
      throw MergeError(path: path(of: input), tensor: nil, .inconsistentPlan("a tensor leaves its file"))
    }
    return try map.withBytes(range, body)
  }

  /// Calls `body` with the bytes of the tensor that a factor is in.
  func withBytes<Result>(of view: FactorView, _ body: (RawSpan) throws -> Result) throws -> Result {
    try withBytes(view.source.input, view.source.range, body)
  }

  /// The kernels' name for a dtype that something is computed on.
  func elementType(_ dtype: DType) throws -> ElementType {
    guard let type = dtype.elementType else {
      throw MergeError(path: path(of: 0), tensor: nil, .inconsistentPlan("\(dtype.name) is not computed on"))
    }
    return type
  }

  /// The types that a tensor is computed from and to.
  func elementTypes(of tensor: MergePlan.Tensor) throws -> (source: ElementType, target: ElementType) {
    (try elementType(tensor.source.dtype), try elementType(tensor.outputDType))
  }

  /// The matrix as the kernels address it.
  func stridedFactor(_ view: FactorView) throws -> StridedFactor {
    try StridedFactor(
      elementType: try elementType(view.source.dtype), rows: view.rows, columns: view.columns,
      elementOffset: view.offset, rowStride: view.rowStride, columnStride: view.columnStride)
  }

  /// Checks that the inputs of a complete output file are what they were, and lets go of those that no other needs.
  func release(shard: Int) throws {
    let used = state.withLock { state in
      inputsOfShards[shard].compactMap { input -> MappedFile? in
        let map = state.maps[input]
        state.users[input, default: 1] -= 1
        if state.users[input] == 0 { state.maps[input] = nil }
        return map
      }
    }
    for map in used { try map.file.checkUnchanged() }
  }
}

extension TensorUpdate {
  /// Every matrix that it reads.
  var views: [FactorView] {
    terms.flatMap(\.views) + stages.compactMap(\.magnitude?.values) + rowReplacements.map(\.values)
  }

  /// Whether an adapter changes the tensor; otherwise it is only rounded to another dtype.
  var changesElements: Bool { !stages.isEmpty || !rowReplacements.isEmpty }
}
