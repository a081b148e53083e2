import Checkpoints
import Checksums
import Platform

/// SHA-256 sums of files, in the format of `sha256sum` of GNU coreutils.
public struct SumsFile: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    /// Relative to the folder of the sums file's entries.
    public let name: String
    public let checksum: SHA256Checksum

    public init(name: String, checksum: SHA256Checksum) {
      self.name = name
      self.checksum = checksum
    }
  }

  public let entries: [Entry]

  static let largestByteCount = 16 << 20

  /// Reads lines of 64 hexadecimal digits, a space, a space (text) or "*" (binary), and a name; a line that begins with
  /// a backslash has `\\`, `\n` and `\r` escaped in its name.
  ///
  /// - Throws: ``CheckpointError`` if it cannot be read; a ``Problem`` for a line of another form.
  public init(path: String) throws {
    let bytes = try BoundedFile.read(path, limit: Self.largestByteCount)
    var entries: [Entry] = []
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (number, line) in lines.enumerated() where !line.isEmpty {
      guard let entry = Self.entry(line) else { throw Problem(path: path, line: number + 1) }
      entries.append(entry)
    }
    self.entries = entries
  }

  private static func entry(_ line: ArraySlice<UInt8>) -> Entry? {
    let isEscaped = line.first == UInt8(ascii: "\\")
    let line = isEscaped ? line.dropFirst() : line
    let name = line.dropFirst(66)
    guard line.count > 66, line[line.startIndex + 64] == UInt8(ascii: " "),
      [UInt8(ascii: " "), UInt8(ascii: "*")].contains(line[line.startIndex + 65]),
      let checksum = SHA256Checksum(hexadecimal: String(decoding: line.prefix(64), as: UTF8.self))
    else { return nil }
    guard isEscaped else { return Entry(name: String(decoding: name, as: UTF8.self), checksum: checksum) }
    var plain: [UInt8] = []
    var isBehindBackslash = false
    for byte in name {
      if isBehindBackslash {
        switch byte {
        case UInt8(ascii: "n"): plain.append(UInt8(ascii: "\n"))
        case UInt8(ascii: "r"): plain.append(UInt8(ascii: "\r"))
        case UInt8(ascii: "\\"): plain.append(byte)
        default: return nil
        }
        isBehindBackslash = false
      } else if byte == UInt8(ascii: "\\") {
        isBehindBackslash = true
      } else {
        plain.append(byte)
      }
    }
    return isBehindBackslash ? nil : Entry(name: String(decoding: plain, as: UTF8.self), checksum: checksum)
  }

  /// The line of one file, with its newline, as `sha256sum --binary` writes it.
  public static func line(_ entry: Entry) -> String {
    let isSpecial = entry.name.utf8.contains { [0x0A, 0x0D, 0x5C].contains($0) }
    var name = ""
    for scalar in entry.name.unicodeScalars {
      switch scalar {
      case "\n": name += "\\n"
      case "\r": name += "\\r"
      case "\\": name += "\\\\"
      default: name.unicodeScalars.append(scalar)
      }
    }
    return "\(isSpecial ? "\\" : "")\(entry.checksum) *\(name)\n"
  }

  /// A line that `sha256sum` could not have written.
  public struct Problem: ReportableError {
    public let path: String
    public let line: Int
    public var errorClass: String { "checksums" }
    public var category: ErrorCategory { .refusedInput }
    public var file: String? { path }
    public var message: String {
      "line \(line) is not a checksum: expected 64 hexadecimal digits, a space, a space or \"*\", and a name"
    }
  }
}
