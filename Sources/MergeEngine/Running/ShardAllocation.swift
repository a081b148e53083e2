import Checkpoints
import MergePlanning
import Platform
import Safetensors
import Staging

/// Makes an output's file, shares what can be shared with the base, and reserves the rest.
struct ShardAllocation {
  let plan: MergePlan
  let schedule: TileSchedule
  let inputs: InputFiles
  let files: any WeightFiles
  let mode: CopyMode
  let interruption: Interruption

  /// - Throws: ``MergeError/Problem/notShareable`` if blocks must be shared and the file system cannot.
  func make(shard number: Int) throws -> ShardState.Output {
    let shard = plan.shards[number]
    let bases = inputs.baseInputs(ofShard: number)
    let part = try files.createPart(
      shard.name, number: number, byteCount: shard.fileByteCount, inputs: inputs.states(bases)
    ) { try inputs.checksum(bases[$0], interruption) }
    let file = part.file
    var shared: [Int: Range<Int>] = [:]
    var reserved = 0
    if mode != .never {
      for (segmentNumber, segment) in schedule.segments(ofShard: number) {
        guard case .copy(let input, let source, let output) = segment.kind, source.count >= Self.smallestShare else {
          continue
        }
        guard Self.holdsBlock(source, output) else { continue }
        guard let part = try file.clone(source, of: try inputs.file(input), at: output) else {
          if mode == .always {
            throw MergeError(
              path: files.resultPath(of: shard.name), tensor: nil,
              .notShareable(input: inputs.path(of: input)))
          }
          break
        }
        shared[segmentNumber] = part
        let start = output + part.lowerBound - source.lowerBound
        try file.reserve(reserved..<start)
        reserved = start + part.count
      }
    }
    try file.reserve(reserved..<shard.fileByteCount)
    return ShardState.Output(part: part, shared: shared)
  }

  /// Bytes of a copy below which sharing is not worth a piece of the file's block map.
  private static let smallestShare = 64 << 10

  /// Bytes of the output files that sharing would not write, where the file system can share.
  func shareableByteCount(shards: [Int]) -> Int {
    guard mode != .never, let input = plan.inputs.first(where: { !$0.isAdapter }),
      files.sharesBlocks(with: input.path)
    else { return 0 }
    var sum = 0
    for shard in shards {
      for (_, segment) in schedule.segments(ofShard: shard) {
        if case .copy(_, let source, let output) = segment.kind, source.count >= Self.smallestShare,
          Self.holdsBlock(source, output)
        {
          sum += source.count - HeaderEncoder.blockByteCount
        }
      }
    }
    return sum
  }

  /// Whether a range has the same place in its blocks in both files.
  private static func holdsBlock(_ source: Range<Int>, _ output: Int) -> Bool {
    (source.lowerBound - output) % HeaderEncoder.blockByteCount == 0
  }
}
