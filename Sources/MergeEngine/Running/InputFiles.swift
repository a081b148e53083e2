import Checkpoints
import Checksums
import MergePlanning
import Platform
import Safetensors
import Staging
import Synchronization
import TileKernels

/// The files that a plan reads: opened when a job first needs one, let go when the last output file that needs it is
/// complete, or when an output file is made of so many that one that has not been needed for long must make room.
///
/// They are read into the callers' buffers, not mapped: a file that is cut meanwhile is an error of one call and not a
/// fault of the process, and what is resident does not grow. `docs/internals/performance.md` has the measurement.
final class InputFiles: Sendable {
  private struct State {
    var files: [Int: CachedInput] = [:]
    /// When each of the base's open files was last asked for, by a count of such questions.
    var uses: [Int: Int] = [:]
    var useCount = 0
    /// Output files not complete yet that need each input.
    var users: [Int: Int] = [:]
  }

  private let inputs: [MergePlan.Input]
  private let inputsOfShards: [Set<Int>]
  private let openBaseCount: Int
  private let use: BaseUse
  private let state: Mutex<State>
  private let checksums = Mutex<[Int: SHA256Checksum]>([:])

  init(_ plan: MergePlan) {
    inputs = plan.inputs
    openBaseCount = MergeEngine.Options.openBaseCount(plan)
    use = BaseUse(plan)
    inputsOfShards = plan.shards.map { shard in
      var used: Set<Int> = []
      for tensor in shard.tensors { used.formUnion(tensor.content.sources.lazy.map(\.input)) }
      return used
    }
    var users: [Int: Int] = [:]
    for input in inputsOfShards.joined() { users[input, default: 0] += 1 }
    state = Mutex(State(users: users))
  }

  func path(of input: Int) -> String { inputs[input].path }

  /// The open file of an input.
  func file(_ input: Int) throws -> InputFile { try reading(input).file }

  private func reading(_ input: Int) throws -> CachedInput {
    try state.withLock { state in
      state.useCount += 1
      if !inputs[input].isAdapter { state.uses[input] = state.useCount }
      if let reading = state.files[input] { return reading }
      // Whoever reads it still holds it open: that are no more than there are workers.
      if state.uses.count > openBaseCount, let oldest = state.uses.min(by: { $0.value < $1.value })?.key {
        state.uses[oldest] = nil
        try state.files.removeValue(forKey: oldest)?.finish()
      }
      let file = try InputFile(path: inputs[input].path)
      guard file.identity == inputs[input].identity else {
        throw MergeError(path: inputs[input].path, tensor: nil, .changed)
      }
      let reading = CachedInput(file, isAdapter: inputs[input].isAdapter, use: use)
      state.files[input] = reading
      return reading
    }
  }

  /// Reads bytes of an input to the start of `buffer`, which grows if it has to.
  func read(_ input: Int, _ range: Range<Int>, into buffer: inout [UInt8]) throws {
    let reading = try reading(input)
    guard range.upperBound <= reading.file.byteCount else {
      throw MergeError(path: path(of: input), tensor: nil, .inconsistentPlan("a tensor leaves its file"))
    }
    reading.advance(to: range)
    try reading.file.read(range, into: &buffer)
  }

  /// Reads bytes that lie apart from where the work is: codes and their scales.
  func readAside(_ input: Int, _ range: Range<Int>, into buffer: inout [UInt8]) throws {
    try reading(input).file.read(range, into: &buffer)
  }

  /// Says that bytes of an input are copied without being read here.
  func advance(_ input: Int, to range: Range<Int>) throws { try reading(input).advance(to: range) }

  /// Reads some rows of a matrix to the start of `buffer`; returns how the kernels address them there.
  ///
  /// Of a matrix whose elements lie scattered, the runs that hold them, or all that lies between the first and the last.
  func read(_ view: FactorView, rows: Range<Int>, into buffer: inout [UInt8]) throws -> StridedFactor {
    if let decoder = FactorDecoder(view) { return try read(view, rows: rows, decoder, into: &buffer) }
    let type = try elementType(view.source.dtype)
    let runs = StridedReads(view, rows: rows)
    let file = try reading(view.source.input).file
    try read(view.source, runs, elementByteCount: type.byteCount, of: file, into: &buffer)
    return try StridedFactor(
      elementType: type, rows: rows.count, columns: view.columns, elementOffset: 0, rowStride: runs.rowStride,
      columnStride: runs.columnStride)
  }

  private func read(
    _ source: MergePlan.Source, _ runs: StridedReads, elementByteCount: Int, of file: InputFile,
    into buffer: inout [UInt8]
  ) throws {
    for number in 0..<runs.count {
      let first = source.range.lowerBound + runs.first(number) * elementByteCount
      let range = first..<first + runs.length * elementByteCount
      guard range.upperBound <= source.range.upperBound else {
        throw MergeError(path: path(of: source.input), tensor: nil, .inconsistentPlan("a factor leaves its tensor"))
      }
      try file.read(range, into: &buffer, at: number * range.count)
    }
  }

  /// Reads rows of a matrix that the kernels do not read as it is stored: what is stored of them, made fp32 in its place.
  private func read(
    _ view: FactorView, rows: Range<Int>, _ decoder: FactorDecoder, into buffer: inout [UInt8]
  ) throws -> StridedFactor {
    let stored = view.stored
    let storedRows = decoder.storedRows(rows, of: view)
    let runs = StridedReads(stored, rows: storedRows)
    var raw: [UInt8] = []
    let file = try reading(view.source.input).file
    try read(view.source, runs, elementByteCount: decoder.byteCount, of: file, into: &raw)
    decoder.decode(raw, runs, stored: storedRows, of: view, rows: rows, into: &buffer)
    return try StridedFactor(rowMajor: .f32, rows: rows.count, columns: view.columns)
  }

  /// The kernels' name for a dtype that something is computed on.
  func elementType(_ dtype: DType) throws -> ElementType {
    guard let type = dtype.elementType else {
      throw MergeError(path: path(of: 0), tensor: nil, .inconsistentPlan("\(dtype.name) is not computed on"))
    }
    return type
  }

  /// The types that a tensor is computed from and to; weights are requantized from fp32.
  func elementTypes(of tensor: ComputedTensor) throws -> (source: ElementType, target: ElementType) {
    let source = try elementType(tensor.weight.dtype)
    return switch tensor.encoding {
    case .numbers: (source, try elementType(tensor.outputDType))
    case .requantized: (source, .f32)
    }
  }

  /// The base's files that an output file is made from, in their order; the adapters' are a part of the merge's identity.
  func baseInputs(ofShard shard: Int) -> [Int] {
    inputsOfShards[shard].filter { !inputs[$0].isAdapter }.sorted()
  }

  /// What these inputs were when their headers were read, with the checksums that are known.
  func states(_ numbers: [Int]) -> [InputState] {
    let known = checksums.withLock { $0 }
    return numbers.map {
      InputState(name: Paths.lastComponent(inputs[$0].path), inputs[$0].identity, checksum: known[$0])
    }
  }

  /// The checksum of a whole input, computed once.
  func checksum(_ input: Int, _ interruption: Interruption) throws -> SHA256Checksum {
    if let known = checksums.withLock({ $0[input] }) { return known }
    let found = try FileChecksum.of(
      inputs[input].path, expecting: inputs[input].identity, interruption: interruption)
    checksums.withLock { $0[input] = found }
    return found
  }

  func knownChecksum(_ input: Int) -> SHA256Checksum? { checksums.withLock { $0[input] } }
  func learn(_ checksum: SHA256Checksum, of input: Int) { checksums.withLock { $0[input] = checksum } }

  /// Says that an output file is there already and needs nothing.
  func skip(shard: Int) {
    state.withLock { state in
      for input in inputsOfShards[shard] { state.users[input, default: 1] -= 1 }
    }
  }

  /// Checks that the inputs of a complete output file are what they were, and lets go of those that no other needs.
  func release(shard: Int) throws {
    let used = state.withLock { state in
      inputsOfShards[shard].compactMap { input -> CachedInput? in
        let reading = state.files[input]
        state.users[input, default: 1] -= 1
        if state.users[input] == 0 {
          state.files[input] = nil
          state.uses[input] = nil
        }
        return reading
      }
    }
    for reading in used { try reading.finish() }
  }
}
