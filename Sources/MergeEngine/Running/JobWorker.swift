import MergePlanning
import Platform

/// One thread of a merge: carries out jobs with buffers of its own.
struct JobWorker: ~Copyable {
  private let jobs: JobContext
  private var tiles: TileWorker
  private let floats = FloatSink()
  private var fp8 = E4M3Sink()
  private var nf4 = NF4Sink()
  /// Pieces of copies, or rows of the base.
  private var buffer: [UInt8] = []

  init(_ jobs: JobContext) {
    self.jobs = jobs
    tiles = TileWorker(
      kernels: jobs.options.kernels, inputs: jobs.inputs, collectsStatistics: jobs.record.statistics != nil,
      countsReturns: jobs.options.countsReturns)
  }

  /// Does one job of the segment with this number.
  mutating func carryOut(_ job: Int, segment number: Int, _ output: ShardState.Output) throws {
    let segment = jobs.schedule.segments[number]
    let shard = jobs.plan.shards[segment.shard]
    let position = job - segment.firstJob
    switch segment.kind {
    case .header:
      try unsafe output.file.write(shard.headerBytes.span.bytes, at: 0)
    case .copy(let input, let source, let target):
      let start = position * TileSchedule.copyByteCount
      let end = min(start + TileSchedule.copyByteCount, source.count)
      let range = source.lowerBound + start..<source.lowerBound + end
      for part in Self.parts(of: range, without: output.shared[number]) {
        try jobs.inputs.advance(input, to: part)
        try output.file.copy(
          part, of: try jobs.inputs.file(input), at: target + part.lowerBound - source.lowerBound, through: &buffer)
      }
    case .tiles(let tensorNumber, let rowsPerTile):
      guard let tensor = shard.tensors[tensorNumber].computed else { return }
      let rows = position * rowsPerTile..<min((position + 1) * rowsPerTile, tensor.update.rows)
      try jobs.withPreparedSteps(number, tensor, output) { prepared in
        let place = SinkPlace(jobs, number, position, tensor, prepared, output.file)
        switch tensor.encoding {
        case .numbers: try floats.write(rows, place, &tiles, &buffer)
        case .requantized(let requantized): try fp8.writeCodes(rows, requantized, place, &tiles, &buffer)
        }
      }
    case .bands(let tensorNumber, let bandsPerTile):
      guard let tensor = shard.tensors[tensorNumber].computed, case .requantized(let requantized) = tensor.encoding
      else { return }
      let bands = requantized.bands(ofTile: position, bandsPerTile, rows: tensor.update.rows)
      try jobs.withPreparedSteps(number, tensor, output) { prepared in
        let place = SinkPlace(jobs, number, position, tensor, prepared, output.file)
        if let nibbles = requantized.nibbles {
          try nf4.write(bands, nibbles, requantized, place, &tiles, &buffer)
        } else {
          try fp8.write(bands, requantized, place, &tiles, &buffer)
        }
      }
    }
  }

  /// What is left of a range without a part of it.
  private static func parts(of range: Range<Int>, without shared: Range<Int>?) -> [Range<Int>] {
    guard let shared = shared?.clamped(to: range), !shared.isEmpty else { return [range] }
    return [range.lowerBound..<shared.lowerBound, shared.upperBound..<range.upperBound].filter { !$0.isEmpty }
  }
}
