import Checksums
import JSONText
import Platform
import Safetensors

/// The state of an input file when it was read.
package struct InputState: Equatable, Sendable {
  package let name: String
  package let byteCount: Int
  /// Nanoseconds since 1970.
  package let modifiedNanoseconds: Int
  /// The change time since 1970, which cannot be set back; nil in records of older versions.
  package let changedNanoseconds: Int?
  package let inode: UInt64
  /// The checksum of the whole file, if it was computed.
  package var checksum: SHA256Checksum?

  package init(name: String, _ identity: SystemCalls.Identity, checksum: SHA256Checksum? = nil) {
    self.name = name
    byteCount = identity.byteCount
    modifiedNanoseconds = Self.nanoseconds(identity.modified, identity.modifiedNanoseconds)
    changedNanoseconds = Self.nanoseconds(identity.changed, identity.changedNanoseconds)
    inode = identity.inode
    self.checksum = checksum
  }

  private static let nanosecondsPerSecond = 1_000_000_000

  private static func nanoseconds(_ seconds: Int, _ rest: Int) -> Int { seconds &* nanosecondsPerSecond &+ rest }

  package func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("name")
    writer.value(name)
    writer.key("size")
    writer.value(byteCount)
    writer.key("mtime_ns")
    writer.value(modifiedNanoseconds)
    if let changedNanoseconds {
      writer.key("ctime_ns")
      writer.value(changedNanoseconds)
    }
    writer.key("inode")
    writer.value(String(inode))
    if let checksum {
      writer.key("sha256")
      writer.value(checksum.description)
    }
    writer.end()
  }

  init?(_ value: JSONValue) {
    guard let name = value.string("name"), let byteCount = value.integer("size"),
      let modified = value.integer("mtime_ns"), let inode = value.string("inode").flatMap({ UInt64($0) })
    else { return nil }
    self.name = name
    self.byteCount = byteCount
    modifiedNanoseconds = modified
    changedNanoseconds = value.integer("ctime_ns")
    self.inode = inode
    checksum = value.checksum("sha256")
  }

  /// Whether the file provably still has the content that was read.
  ///
  /// It does if it is the same file (inode) and has not changed since. The modification time proves nothing: layers of
  /// images, Nix, `cp -p` and `rsync -t` give files with different content the same time. Neither does a change time
  /// without a fraction of a second, which comes from a file system image or a server and not from a clock. In all
  /// other cases the content decides, if its checksum was computed when the file was read: it may be a copy, or on a
  /// file system that was mounted again under other numbers.
  ///
  /// - Parameter content: Computes the checksum of the current file.
  package func holds(_ now: InputState, content: () throws -> SHA256Checksum) rethrows -> Bool {
    guard name == now.name, byteCount == now.byteCount else { return false }
    if let changedNanoseconds, changedNanoseconds % Self.nanosecondsPerSecond != 0,
      changedNanoseconds == now.changedNanoseconds, modifiedNanoseconds == now.modifiedNanoseconds, inode == now.inode
    {
      return true
    }
    guard let checksum else { return false }
    return try content() == checksum
  }

  /// Whether a file that only this program writes is still the one in this record. Its change time is not compared,
  /// because a rename sets it.
  func isStill(_ identity: SystemCalls.Identity) -> Bool {
    let now = InputState(name: name, identity)
    return identity.isRegularFile && byteCount == now.byteCount && modifiedNanoseconds == now.modifiedNanoseconds
      && inode == now.inode
  }
}

/// Records that a weight file of the result is complete, and what it was made from: `parts/NAME.json`.
package struct PartRecord: Equatable, Sendable {
  /// The state of the file when it was completed.
  package let file: InputState
  /// The base's files that it was made from.
  package let inputs: [InputState]

  package init(file: InputState, inputs: [InputState]) {
    self.file = file
    self.inputs = inputs
  }

  var text: [UInt8] {
    var writer = JSONWriter(indentation: 2)
    writer.beginObject()
    writer.key("file")
    file.write(to: &writer)
    writer.key("inputs")
    writer.beginArray()
    for input in inputs { input.write(to: &writer) }
    writer.end()
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  /// Nil for anything but a ``text``, such as a file that a power failure left empty.
  init?(text: [UInt8]) {
    guard let value = try? JSONParser.parse(text.span), let file = value["file"].flatMap(InputState.init),
      case .array(let inputs)? = value["inputs"]
    else { return nil }
    self.file = file
    self.inputs = inputs.compactMap(InputState.init)
    guard self.inputs.count == inputs.count else { return nil }
  }
}
