import Foundation

/// Runs of the program as a user who may do less, for limits that root does not feel.
enum Confined {
  private static func has(_ tools: String...) -> Bool {
    tools.allSatisfy { FileManager.default.isExecutableFile(atPath: "/usr/bin/" + $0) }
  }

  static let isPossible = geteuid() != 0 || has("setpriv", "prlimit")
  static let hasStrace = has("strace")

  /// A shell script that runs the program with `tool` before it, as another user than root, for whom it is put into the
  /// current folder: the one it was built in may be closed to others. It ends after two minutes, whatever the program does
  /// about signals.
  static func shell(_ tool: String = "") -> String {
    let other = geteuid() == 0 ? "setpriv --reuid=54321 --regid=54321 --clear-groups " : ""
    return "program=$PWD/.program; [ -e \"$program\" ] || cp \"$0\" \"$program\"; chmod 755 \"$program\"; "
      + "exec timeout -k 1 120 \(other)\(tool) \"$program\" \"$@\""
  }

  /// Lets everybody read and write what is beneath a folder.
  static func open(_ folder: String) throws {
    for name in [""] + (try FileManager.default.subpathsOfDirectory(atPath: folder)) {
      var isFolder: ObjCBool = false
      let path = folder + "/" + name
      _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      try FileManager.default.setAttributes([.posixPermissions: isFolder.boolValue ? 0o777 : 0o666], ofItemAtPath: path)
    }
  }
}
