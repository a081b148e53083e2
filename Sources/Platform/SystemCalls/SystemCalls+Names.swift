#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Making folders and removing names.
extension SystemCalls {
  package static func makeFolder(_ path: String, mode: UInt32) throws(Failure) {
    _ = try check("mkdir") { unsafe Int(mkdir(path, mode_t(mode))) }
  }

  /// Creates a folder in a folder that only this user may write to; one that exists is used.
  package static func ensureFolder(_ path: String, mode: UInt32) throws(Failure) {
    try NameState.expecting(folder: path) { () throws(Failure) in try makeFolder(path, mode: mode) }
  }

  /// Removes a file; a name that is gone already is no failure.
  package static func removeFile(_ path: String) throws(Failure) {
    try NameState.expecting(absent: path) { () throws(Failure) in
      _ = try check("unlink") { unsafe Int(unlink(path)) }
    }
  }

  /// Removes an empty folder; a name that is gone already is no failure.
  package static func removeFolder(_ path: String) throws(Failure) {
    try NameState.expecting(absent: path) { () throws(Failure) in
      _ = try check("rmdir") { unsafe Int(rmdir(path)) }
    }
  }
}
