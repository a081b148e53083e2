import Checkpoints
import Platform

extension PartsFolder {
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
