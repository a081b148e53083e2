import Checkpoints
import Checksums
import Platform

/// A folder that becomes the result, and takes its small files.
package protocol ResultFolder {
  /// Writes a small file.
  ///
  /// - Parameter name: Relative to the folder.
  func write(_ name: String, _ bytes: [UInt8]) throws(CheckpointError)

  /// Copies a copied file byte for byte, or writes its text; returns its checksum.
  func copy(_ side: SideFiles.File, interruption: Interruption) throws -> SHA256Checksum
}

extension StagedOutput: ResultFolder {}
