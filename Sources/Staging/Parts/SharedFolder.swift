import Checkpoints
import Platform

/// What the parts of a merge do with the folder that they share.
///
/// Only what may be relied on where nobody can trust locks, caches and the errors of calls: names are asked for by
/// listing folders, each file is written once by one process under a name of its own, and a name is opened only if a
/// listing showed it. Errors that mean that a path is gone are `system` with a code of ``PartsError/gone``.
package protocol SharedFolder: Sendable {
  /// The names in a folder, asked for again each time; none if there is no such folder.
  func list(_ folder: String) throws(CheckpointError) -> [String]

  /// Makes a folder that only this user may access; one that is there is used.
  func makeFolder(_ path: String) throws(CheckpointError)

  /// Checks that only this user may access a folder, if it is there.
  ///
  /// - Throws: `CheckpointError` with `stagingNotOurs`.
  func checkPrivate(_ path: String) throws(CheckpointError)

  /// Makes a file, fills it, and flushes it to disk. The name must be free.
  func write(_ bytes: [UInt8], to path: String) throws(CheckpointError)

  /// Makes an empty file; false if the name is taken.
  func create(_ path: String) throws(CheckpointError) -> Bool

  /// The size of a file and its first bytes; nil if it is not there.
  ///
  /// - Parameter byteCount: The number of bytes; fewer if the file is shorter.
  func start(of path: String, byteCount: Int) throws(CheckpointError) -> (fileByteCount: Int, bytes: [UInt8])?

  /// Gives a complete file a second name, which must be free; false if the file system has no links.
  func link(_ path: String, to name: String) throws(CheckpointError) -> Bool

  /// Gives a file another name; a file that has it is replaced.
  func rename(_ path: String, to name: String) throws(CheckpointError)

  /// Gives a folder another name, which must be free or an empty folder's.
  func renameFolder(_ path: String, to name: String) throws(CheckpointError)

  /// Flushes the names in a folder to disk.
  func flush(_ folder: String) throws(CheckpointError)

  /// Removes a file, or a folder with its contents, as far as possible.
  func remove(_ path: String)

  /// Removes a folder if it is empty.
  func removeIfEmpty(_ folder: String)

  /// Flushes the names in a folder and in all folders in it to disk, and gives them the permissions of a result.
  func complete(_ folder: String) throws(CheckpointError)
}

extension SharedFolder {
  /// Removes the folder of a plan, as far as possible, while finishers may run on other machines.
  ///
  /// First the folder gets another name: a finisher must not give a folder the output's name of which files are removed at the
  /// same time.
  func removePlan(_ folder: String) {
    let removed = PartsPaths.removed(in: Paths.folder(folder))
    do throws(CheckpointError) { try renameFolder(folder, to: removed) } catch { return remove(folder) }
    remove(removed)
  }
}
