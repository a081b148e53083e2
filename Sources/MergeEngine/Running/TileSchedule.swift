import Checkpoints
import MergePlanning
import Platform
import Safetensors

/// Splits a plan into jobs that workers take one after another: headers, pieces of copies, tiles of updates.
///
/// The order is that of the output's bytes, so that writes are mostly sequential and few modules are in flight at once.
struct TileSchedule: Sendable {
  /// Bytes of a piece of a copy.
  static let copyByteCount = 8 << 20

  /// A run of jobs of one kind.
  struct Segment: Sendable {
    enum Kind: Sendable {
      case header
      /// Untouched neighbors, one range of an input.
      case copy(input: Int, source: Range<Int>, output: Int)
      /// The rows of one updated tensor.
      case tiles(tensor: Int, rowsPerTile: Int)
      /// The bands of a requantized tensor, or of the scales of one: rows of blocks, each whole.
      case bands(tensor: Int, bandsPerTile: Int)

      /// The place of the updated tensor in its shard; nil: none is updated.
      var tensor: Int? {
        switch self {
        case .header, .copy: nil
        case .tiles(let tensor, _), .bands(let tensor, _): tensor
        }
      }
    }

    let shard: Int
    let kind: Kind
    let firstJob: Int
    let jobCount: Int
  }

  let segments: [Segment]
  private let segmentsOfShards: [Range<Int>]
  let jobCount: Int
  /// Jobs of each shard.
  let shardJobCounts: [Int]

  init(_ plan: MergePlan, tileSize: TileSize = .standard) {
    var segments: [Segment] = []
    var counts: [Int] = []
    var next = 0
    var ranges: [Range<Int>] = []
    for (shardNumber, shard) in plan.shards.enumerated() {
      let first = next
      let firstSegment = segments.count
      func append(_ kind: Segment.Kind, _ jobCount: Int) {
        guard jobCount > 0 else { return }
        segments.append(Segment(shard: shardNumber, kind: kind, firstJob: next, jobCount: jobCount))
        next += jobCount
      }
      var pending: (input: Int, source: Range<Int>, output: Int)?
      func appendPending() {
        guard let copy = pending else { return }
        append(
          .copy(input: copy.input, source: copy.source, output: copy.output),
          Self.ceilingQuotient(copy.source.count, Self.copyByteCount))
        pending = nil
      }
      append(.header, 1)
      for (number, tensor) in shard.tensors.enumerated() {
        switch tensor.content {
        case .computed(_, let update, .requantized(let requantized))
        where requantized.part != .codes || !requantized.hasLargeBands:
          appendPending()
          let count = requantized.bandCount(rows: update.rows)
          let bands = requantized.bandsPerTile(update, tileSize)
          append(.bands(tensor: number, bandsPerTile: bands), Self.ceilingQuotient(count, bands))
        case .computed(_, let update, _):
          appendPending()
          let rows = tileSize.rows(update)
          append(.tiles(tensor: number, rowsPerTile: rows), Self.ceilingQuotient(update.rows, rows))
        case .copied(let source):
          if let copy = pending, copy.input == source.input, copy.source.upperBound == source.range.lowerBound,
            copy.output + copy.source.count == tensor.outputRange.lowerBound
          {
            pending = (copy.input, copy.source.lowerBound..<source.range.upperBound, copy.output)
          } else {
            appendPending()
            pending = (source.input, source.range, tensor.outputRange.lowerBound)
          }
        }
      }
      appendPending()
      counts.append(next - first)
      ranges.append(firstSegment..<segments.count)
    }
    self.segments = segments
    segmentsOfShards = ranges
    jobCount = next
    shardJobCounts = counts
  }

  /// The segments of a shard with their numbers.
  func segments(ofShard shard: Int) -> some Sequence<(number: Int, segment: Segment)> {
    let numbers = segmentsOfShards[shard]
    return numbers.lazy.map { ($0, segments[$0]) }
  }

  /// The bytes of the output's file that a job of a segment writes.
  func outputRange(ofJob job: Int, in segment: Segment, _ plan: MergePlan) -> Range<Int> {
    let position = job - segment.firstJob
    switch segment.kind {
    case .header: return 0..<plan.shards[segment.shard].headerBytes.count
    case .copy(_, let source, let output):
      let start = position * Self.copyByteCount
      return output + start..<output + min(start + Self.copyByteCount, source.count)
    case .tiles(let number, let rowsPerTile):
      let tensor = plan.shards[segment.shard].tensors[number]
      guard let update = tensor.update else { return tensor.outputRange }
      let row = update.columns * tensor.outputDType.bitCount / 8
      let first = position * rowsPerTile
      let start = tensor.outputRange.lowerBound
      return start + first * row..<start + min(first + rowsPerTile, update.rows) * row
    case .bands(let number, let bandsPerTile):
      let tensor = plan.shards[segment.shard].tensors[number]
      guard case .computed(_, let update, .requantized(let requantized)) = tensor.content else {
        return tensor.outputRange
      }
      let bands = requantized.bands(ofTile: position, bandsPerTile, rows: update.rows)
      let start = tensor.outputRange.lowerBound
      let range = requantized.byteRange(
        ofBands: bands, elementByteCount: tensor.outputDType.bitCount / 8)
      return start + range.lowerBound..<start + range.upperBound
    }
  }

  /// How many jobs of a segment are left when these bytes of the output's file are written.
  func jobCount(of segment: Segment, without done: ByteRanges, _ plan: MergePlan) -> Int {
    if done.ranges.isEmpty { return segment.jobCount }
    return (segment.firstJob..<segment.firstJob + segment.jobCount).count {
      !done.contains(outputRange(ofJob: $0, in: segment, plan))
    }
  }

  /// The segment that a job is in.
  func segment(ofJob job: Int) -> Int {
    var (low, high) = (0, segments.count - 1)
    while low < high {
      let middle = (low + high + 1) / 2
      if segments[middle].firstJob <= job { low = middle } else { high = middle - 1 }
    }
    return low
  }

  private static func ceilingQuotient(_ count: Int, _ divisor: Int) -> Int {
    count / divisor + (count % divisor == 0 ? 0 : 1)
  }
}
