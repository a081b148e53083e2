/// Path arithmetic on strings with "/" between components.
///
/// Done on bytes, as the kernel does it: to Swift "/" and a combining accent behind it are one character.
package enum Paths {
  private static let slash = UInt8(ascii: "/")

  package static func join(_ folder: String, _ name: String) -> String {
    folder.isEmpty ? name : folder.utf8.last == slash ? folder + name : folder + "/" + name
  }

  /// The text between the slashes, empty between two adjacent ones.
  package static func components(_ path: String) -> [String] {
    path.utf8.split(separator: slash, omittingEmptySubsequences: false).map { String(Substring($0)) }
  }

  /// The last component, without trailing slashes.
  package static func lastComponent(_ path: String) -> String {
    components(path).last { !$0.isEmpty } ?? ""
  }

  /// The path without trailing slashes; "/" stays.
  package static func withoutTrailingSlashes(_ path: String) -> String {
    var bytes = path.utf8[...]
    while bytes.count > 1, bytes.last == slash { bytes.removeLast() }
    return String(Substring(bytes))
  }

  /// Everything before the last component; "." if there is nothing.
  package static func folder(_ path: String) -> String {
    let bytes = withoutTrailingSlashes(path).utf8
    guard let last = bytes.lastIndex(of: slash) else { return "." }
    return withoutTrailingSlashes(String(Substring(bytes[...last])))
  }

  package static func areEqual(_ one: String, _ other: String) -> Bool { one.utf8.elementsEqual(other.utf8) }

  /// Whether `path` is `folder` or lies beneath it; both without links and dots.
  package static func isBeneath(_ path: String, _ folder: String) -> Bool {
    areEqual(path, folder) || path.utf8.starts(with: (folder.utf8.last == slash ? folder : folder + "/").utf8)
  }
}
