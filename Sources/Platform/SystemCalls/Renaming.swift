import CSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Gives files and folders other names, also where the file system has not every kind of rename.
package enum Renaming {
  package typealias Failure = SystemCalls.Failure

  /// What a kernel or a file system says that has no such rename.
  private static let noSuchRename: Set<Int32> = [EINVAL, ENOSYS, EOPNOTSUPP, ENOTSUP, EPERM]
  /// The errors of a file system without hard links (FAT, some network file systems).
  private static let noLinks: Set<Int32> = [EPERM, ENOSYS, ENOTSUP, EOPNOTSUPP, EMLINK, EXDEV]
  /// The errors of a file system that cannot rename to an existing name.
  private static let noReplacing: Set<Int32> = [EEXIST, ENOTEMPTY, EPERM, ENOSYS, EOPNOTSUPP, ENOTSUP, EINVAL]

  package static func rename(_ from: String, to: String) throws(Failure) {
    try NameState.expecting(from, at: to) { () throws(Failure) in
      #if canImport(Darwin)
      _ = try SystemCalls.check("rename") { unsafe Int(Darwin.rename(from, to)) }
      #elseif canImport(Musl)
      _ = try SystemCalls.check("rename") { unsafe Int(Musl.rename(from, to)) }
      #else
      _ = try SystemCalls.check("rename") { unsafe Int(Glibc.rename(from, to)) }
      #endif
    }
  }

  /// Renames a file over another one. False if the file system cannot replace files; nothing was changed then.
  package static func replace(_ target: String, by file: String) throws(Failure) -> Bool {
    do throws(Failure) {
      try rename(file, to: target)
      return true
    } catch {
      guard noReplacing.contains(error.code), (try? SystemCalls.identity(path: target, followingLinks: false)) != nil,
        try SystemCalls.identity(path: file, followingLinks: false)?.isRegularFile == true
      else { throw error }
      return false
    }
  }

  /// Renames a folder over an empty one: EEXIST or ENOTEMPTY if that is not empty.
  ///
  /// If the file system cannot replace folders, the empty one is removed first, and created again if the rename fails.
  package static func replaceEmptyFolder(_ target: String, by folder: String) throws(Failure) {
    do throws(Failure) { return try rename(folder, to: target) } catch {
      guard noReplacing.contains(error.code) else { throw error }
      let mode = try SystemCalls.identity(path: target, followingLinks: false)?.mode
      let code = error.code
      do throws(Failure) { try SystemCalls.removeFolder(target) } catch {
        // Some report a folder that is not empty as EPERM.
        throw Failure(call: "rename", code: SystemCalls.folderInTheWay.contains(error.code) ? error.code : code)
      }
      do throws(Failure) { try renameWithoutReplacing(folder, to: target) } catch {
        if let mode { try? SystemCalls.makeFolder(target, mode: mode & 0o7777) }
        throw error
      }
    }
  }

  /// Renames a file or a folder to a name that must be free: EEXIST where plain rename would silently replace something
  /// that was created in the meantime.
  ///
  /// If the file system has no such call, a file is linked to the new name, which fails in the same way. Without links,
  /// and for folders, the name is checked first.
  package static func renameWithoutReplacing(_ from: String, to: String) throws(Failure) {
    // Some that are mounted by a program of the user's do a plain rename in its place, and say nothing.
    guard try SystemCalls.identity(path: to, followingLinks: false) == nil else {
      throw Failure(call: "rename", code: EEXIST)
    }
    do throws(Failure) {
      return try NameState.expecting(from, at: to) { () throws(Failure) in
        _ = try SystemCalls.check("renameat2") { unsafe Int(sfc_rename_new(from, to)) }
      }
    } catch { guard noSuchRename.contains(error.code) else { throw error } }
    if try SystemCalls.identity(path: from, followingLinks: false)?.isDirectory == false {
      do throws(Failure) {
        try link(from, to: to)
        return try SystemCalls.removeFile(from)
      } catch { guard error.call == "link", noLinks.contains(error.code) else { throw error } }
    }
    do throws(Failure) { try rename(from, to: to) } catch {
      // Some report a folder that is in the way as EPERM.
      guard error.code == EPERM, try SystemCalls.identity(path: to, followingLinks: false) != nil else { throw error }
      throw Failure(call: "rename", code: EEXIST)
    }
  }

  /// Exchanges the names of two folders in one step; false if the file system cannot. One that does a plain rename
  /// instead fails, because the second folder is not empty.
  package static func exchange(_ one: String, _ other: String) throws(Failure) -> Bool {
    do throws(Failure) {
      try NameState.expecting(exchanged: one, other) { () throws(Failure) in
        _ = try SystemCalls.check("renameat2") { unsafe Int(sfc_exchange(one, other)) }
      }
      return true
    } catch {
      if noSuchRename.contains(error.code) || error.code == ENOTEMPTY || error.code == EEXIST { return false }
      throw error
    }
  }

  /// Links a file to a second name, which must be free.
  package static func link(_ from: String, to: String) throws(Failure) {
    try NameState.expecting(from, linkedAt: to) { () throws(Failure) in
      #if canImport(Darwin)
      _ = try SystemCalls.check("link") { unsafe Int(Darwin.link(from, to)) }
      #elseif canImport(Musl)
      _ = try SystemCalls.check("link") { unsafe Int(Musl.link(from, to)) }
      #else
      _ = try SystemCalls.check("link") { unsafe Int(Glibc.link(from, to)) }
      #endif
    }
  }
}
