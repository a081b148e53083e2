import CFileCalls

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Giving files and folders other names.
extension SystemCalls {
  /// What a kernel or a file system says that has no such rename.
  private static let noSuchRename: Set<Int32> = [EINVAL, ENOSYS, EOPNOTSUPP, ENOTSUP]
  /// What a file system without hard links says (FAT, some that are mounted over a network).
  private static let noLinks: Set<Int32> = [EPERM, ENOSYS, ENOTSUP, EOPNOTSUPP]

  package static func rename(_ from: String, to: String) throws(Failure) {
    #if canImport(Darwin)
    _ = try check("rename") { unsafe Int(Darwin.rename(from, to)) }
    #elseif canImport(Musl)
    _ = try check("rename") { unsafe Int(Musl.rename(from, to)) }
    #else
    _ = try check("rename") { unsafe Int(Glibc.rename(from, to)) }
    #endif
  }

  /// Gives a file or a folder another name, which must be free: EEXIST where plain rename would silently replace what
  /// came to be there meanwhile.
  ///
  /// Where the file system has no such call, a file is linked to the new name, which fails alike; where it has no links
  /// either, and for folders, the name is looked up first.
  package static func renameWithoutReplacing(_ from: String, to: String) throws(Failure) {
    do throws(Failure) {
      _ = try check("renameat2") { unsafe Int(sfc_rename_new(from, to)) }
      return
    } catch { guard noSuchRename.contains(error.code) else { throw error } }
    if try identity(path: from, followingLinks: false)?.isDirectory == false {
      do throws(Failure) {
        try link(from, to: to)
        return try removeFile(from)
      } catch { guard error.call == "link", noLinks.contains(error.code) else { throw error } }
    }
    guard try identity(path: to, followingLinks: false) == nil else { throw Failure(call: "rename", code: EEXIST) }
    try rename(from, to: to)
  }

  /// Exchanges two names in one step; false where the file system cannot.
  package static func exchange(_ one: String, _ other: String) throws(Failure) -> Bool {
    do throws(Failure) {
      _ = try check("renameat2") { unsafe Int(sfc_exchange(one, other)) }
      return true
    } catch {
      if noSuchRename.contains(error.code) { return false }
      throw error
    }
  }

  /// Gives a file a second name, which must be free.
  private static func link(_ from: String, to: String) throws(Failure) {
    #if canImport(Darwin)
    _ = try check("link") { unsafe Int(Darwin.link(from, to)) }
    #elseif canImport(Musl)
    _ = try check("link") { unsafe Int(Musl.link(from, to)) }
    #else
    _ = try check("link") { unsafe Int(Glibc.link(from, to)) }
    #endif
  }
}
