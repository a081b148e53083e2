import Checksums
import MergePlanning
import Platform
import Staging

/// The base's files as the parts of a merge saw them.
struct RecordedBase {
  private var checksums: [Int: SHA256Checksum] = [:]

  /// The base's files that a weight file is made from, as this process sees them.
  static func inputs(ofShard number: Int, _ inputs: InputFiles) -> [ShardRecord.Input] {
    inputs.states(inputs.baseInputs(ofShard: number)).map(ShardRecord.Input.init)
  }

  /// Compares what the parts saw with what this process sees.
  ///
  /// - Parameter acceptsCopies: Whether every machine may have a copy of its own, with other times.
  /// - Throws: ``MergeError`` with `changed` for a file that is another one, or may be.
  init(_ records: [Int: ShardRecord], _ plan: MergePlan, acceptsCopies: Bool) throws {
    let inputs = InputFiles(plan)
    for (number, record) in records.sorted(by: { $0.key < $1.key }) {
      let own = inputs.baseInputs(ofShard: number)
      let states = Self.inputs(ofShard: number, inputs)
      guard states.count == record.inputs.count else {
        throw MergeError(path: record.name, tensor: nil, .inconsistentPlan("a record has other inputs"))
      }
      for ((input, state), seen) in zip(zip(own, states), record.inputs) {
        guard seen.isSame(as: state) || acceptsCopies && seen.byteCount == state.byteCount else {
          throw MergeError(
            path: inputs.path(of: input), tensor: nil, .otherBase(copies: seen.byteCount == state.byteCount))
        }
        guard let checksum = seen.checksum else { continue }
        if let known = checksums[input], known != checksum {
          throw MergeError(path: inputs.path(of: input), tensor: nil, .otherBase(copies: false))
        }
        checksums[input] = checksum
      }
    }
  }

  /// The checksum of an input that parts computed.
  func checksum(_ input: Int) -> SHA256Checksum? { checksums[input] }
}
