import Checkpoints
import Checksums
import MergePlanning
import Platform
import Safetensors
import Staging

/// One weight file in the folder of a plan's parts: written by this process alone, under a name that no other has.
struct PartFiles: WeightFiles {
  let parts: PartsFolder
  /// The file's place in the whole plan.
  let number: Int
  let headerChecksum: SHA256Checksum
  let verification: ShardRecord.Verification
  private let jobs: JobContext

  /// - Parameters:
  ///   - number: The file's place in the whole plan.
  ///   - jobs: Those of a plan with this file alone.
  init(_ parts: PartsFolder, _ number: Int, _ jobs: JobContext) {
    self.parts = parts
    self.number = number
    self.jobs = jobs
    headerChecksum = SHA256Checksum(of: jobs.plan.shards[0].headerBytes)
    verification = jobs.options.verification == .read ? .read : .none
  }

  var resultPath: String { parts.output }

  func resultPath(of name: String) -> String { Paths.join(parts.output, name) }

  func createPart(
    _ name: String, number: Int, byteCount: Int, inputs: [InputState], content: (Int) throws -> SHA256Checksum
  ) throws -> StagedOutput.Part {
    let path = parts.data(self.number).path
    return StagedOutput.Part(file: try OutputFile(path: path, temporaryPath: path, byteCount: byteCount))
  }

  func commit(_ part: StagedOutput.Part, name: String, _ completion: FileCompletion) throws -> PartRecord {
    let record = try completion.complete(part.file, name: name)
    _ = try parts.complete(
      ShardRecord(
        digest: parts.digest, number: number, name: name, data: parts.data(number).name,
        byteCount: record.file.byteCount, headerChecksum: headerChecksum, checksum: record.file.checksum,
        inputs: completion.inputs.map(ShardRecord.Input.init), verification: verification,
        findings: ShardFindings(jobs)))
    return record
  }

  func reservedByteCount(ofPart number: Int) -> Int { 0 }

  func freeByteCount() throws(CheckpointError) -> Int? {
    let folder = Paths.folder(parts.data(number).path)
    return try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
      try SystemCalls.freeByteCount(folder)
    }
  }

  func sharesBlocks(with source: String) -> Bool {
    BlockSharing.works(with: source, at: parts.data(number).path + ".probe")
  }
}

extension ShardRecord.Input {
  /// A file of the base in the state in which it was read.
  init(_ state: InputState) {
    self.init(
      name: state.name, byteCount: state.byteCount, modifiedNanoseconds: state.modifiedNanoseconds,
      checksum: state.checksum)
  }
}
