import Checkpoints
import Platform

extension PartsFolder {
  /// Does nothing if the result is there although a step failed: another process was faster, or a request was sent twice.
  ///
  /// - Parameter hasBegun: Whether the folder of the plan was there.
  /// - Throws: `error` if it is not there; `CheckpointError` with `outputStays` if something else has the output's name and the
  ///   step failed because something of the parts is missing; ``PartsError`` with `removed` if they all are.
  package func expectFinished(despite error: any Error, hasBegun: Bool = false) throws {
    switch try? outputState() {
    case .finished: return
    case .other:
      let isGone = (error as? CheckpointError).map(PartsError.isGone) ?? (error is PartsFinisher.Missing)
      throw isGone ? CheckpointError(path: output, .outputStays) : error
    case .absent, nil:
      let plans = hasBegun ? (try? shared.list(paths.top)) : nil
      throw plans?.contains(digest.description) == false ? PartsError(path: paths.folder, .removed) : error
    }
  }

  /// The names of the files that the record of the result lists; none if it cannot be read.
  func recordedNames() throws(CheckpointError) -> [String] {
    let text = try shared.start(of: ResultRecord.path(in: output), byteCount: Self.recordLimit)
    return text.flatMap { try? ResultRecord(text: $0.bytes) }?.files.map(\.name) ?? []
  }

  /// Checks that the result that is there has every weight file of the plan, as far as sizes and headers tell.
  ///
  /// - Throws: ``PartsError`` with `damagedResult`.
  package func checkResult(_ files: [PartsFinisher.WeightFile]) throws {
    for file in files {
      let path = Paths.join(output, file.name)
      guard let start = try shared.start(of: path, byteCount: file.headerBytes.count) else {
        throw PartsError(path: path, .damagedResult("is missing"))
      }
      guard start.fileByteCount == file.byteCount else {
        let (found, expected) = (start.fileByteCount, file.byteCount)
        throw PartsError(
          path: path, .damagedResult("has \(NumberText.grouped(found)) bytes, not \(NumberText.grouped(expected))"))
      }
      guard start.bytes == file.headerBytes else {
        throw PartsError(path: path, .damagedResult("has another header than this merge writes"))
      }
    }
  }
}
