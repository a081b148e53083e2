import MergePlanning
import Platform
import Safetensors

/// The output of a job of an updated tensor, and its place.
struct SinkPlace {
  let jobs: JobContext
  /// The number of the tensor's segment, and the job's place in it.
  let segment: Int
  let position: Int
  let tensor: ComputedTensor
  let prepared: PreparedSteps
  let file: OutputFile

  init(
    _ jobs: JobContext, _ segment: Int, _ position: Int, _ tensor: ComputedTensor, _ prepared: PreparedSteps,
    _ file: OutputFile
  ) {
    self.jobs = jobs
    self.segment = segment
    self.position = position
    self.tensor = tensor
    self.prepared = prepared
    self.file = file
  }

  /// An error of this tensor, in its own file or in another input.
  func error(_ problem: MergeError.Problem, input: Int? = nil) -> MergeError {
    MergeError(path: jobs.inputs.path(of: input ?? tensor.weight.source.input), tensor: tensor.name, problem)
  }

  /// - Throws: ``MergeError/Problem/nonFinite(count:rows:dtype:)`` if elements became infinite or NaN and the merge does not
  ///   just count them.
  func check(nonFinite count: UInt64, rows: Range<Int>, dtype: DType) throws {
    guard count > 0, jobs.options.nonFinite == .fail else { return }
    throw error(.nonFinite(count: count, rows: rows, dtype: dtype))
  }

  /// Adds the statistics of the rows that were compared last; nil: none are wanted.
  func addStatistics(_ comparison: TileComparison?, rows: Range<Int>) {
    guard let compared = comparison?.rows else { return }
    jobs.record.statistics?.add(segment: segment, rowCount: tensor.update.rows, rows: rows, compared)
  }

  /// Writes bytes that lie at `offset` in the tensor.
  func write(_ bytes: [UInt8], at offset: Int) throws { try write(bytes, count: bytes.count, at: offset) }

  /// Writes the first bytes of a buffer.
  func write(_ bytes: [UInt8], count: Int, at offset: Int) throws {
    let span = bytes.span.extracting(0..<count)
    try unsafe file.write(span.bytes, at: tensor.outputRange.lowerBound + offset)
  }
}
