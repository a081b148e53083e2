import Checkpoints
import MergePlanning
import Safetensors

/// Makes an output's file, shares what can be shared with the base, and reserves the rest.
struct OutputCreation {
  let plan: MergePlan
  let schedule: TileSchedule
  let inputs: InputFiles
  let staged: StagedOutput
  let mode: CopyMode

  /// - Throws: ``MergeError/Problem/notShareable`` if blocks must be shared and the file system cannot.
  func make(shard number: Int) throws -> ShardState.Output {
    let shard = plan.shards[number]
    let file = try staged.createFile(shard.name, byteCount: shard.fileByteCount, reserves: false)
    var shared: [Int: Range<Int>] = [:]
    var reserved = 0
    if mode != .plain {
      for (segmentNumber, segment) in schedule.segments(ofShard: number) {
        guard case .copy(let input, let source, let output) = segment.kind, source.count >= Self.smallestShare else {
          continue
        }
        guard let part = try file.clone(source, of: try inputs.file(input), at: output) else {
          if mode == .reflink, Self.holdsBlock(source, output) {
            throw MergeError(path: shard.name, tensor: nil, .notShareable(input: inputs.path(of: input)))
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
    return ShardState.Output(file: file, shared: shared)
  }

  /// Bytes of a copy below which sharing is not worth a piece of the file's block map.
  private static let smallestShare = 64 << 10

  /// Whether a range has the same place in its blocks in both files.
  private static func holdsBlock(_ source: Range<Int>, _ output: Int) -> Bool {
    (source.lowerBound - output) % HeaderEncoder.blockByteCount == 0
  }
}
