import Checkpoints
import Checksums
import Platform
import Staging

/// Where the weight files of a result are written, and what says that one is complete.
protocol WeightFiles: Sendable {
  /// The path of the result, for errors.
  var resultPath: String { get }

  /// The path that a weight file has in the result, for errors.
  func resultPath(of name: String) -> String

  /// Creates a weight file, or resumes one.
  ///
  /// - Parameters:
  ///   - name: Relative to the result's folder; for a single file the name in the plan.
  ///   - number: The file's place in the plan.
  ///   - inputs: The current state of its inputs.
  ///   - content: Computes the checksum of an input by its position in `inputs`.
  func createPart(
    _ name: String, number: Int, byteCount: Int, inputs: [InputState], content: (Int) throws -> SHA256Checksum
  ) throws -> StagedOutput.Part

  /// Completes a weight file and records that.
  func commit(_ part: StagedOutput.Part, name: String, _ completion: FileCompletion) throws -> PartRecord

  /// Bytes that an earlier run reserved for a weight file that it did not complete.
  func reservedByteCount(ofPart number: Int) -> Int

  /// Bytes that may still be written to the file system of the result; nil if it does not report that.
  func freeByteCount() throws(CheckpointError) -> Int?

  /// Whether blocks of `source` can be shared with files of the result.
  func sharesBlocks(with source: String) -> Bool
}

extension StagedOutput: WeightFiles {
  var resultPath: String { place.path }

  func resultPath(of name: String) -> String { place.isFolder ? Paths.join(place.path, name) : place.path }
}
