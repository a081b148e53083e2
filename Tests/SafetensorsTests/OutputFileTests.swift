import Foundation
import Platform
import Safetensors
import TestSupport
import Testing

@Suite struct OutputFileTests {
  @Test(arguments: [true, false]) func appearsOnlyWhenItIsWhole(replacing: Bool) throws {
    let scratch = try Scratch()
    let path = scratch.file("out")
    do {
      let file = try OutputFile(path: path, byteCount: 4)
      let (first, second): ([UInt8], [UInt8]) = ([1, 2], [3, 4])
      try file.write(second.span.bytes, at: 2)
      #expect(try !scratch.entries().contains("out"))
      try file.write(first.span.bytes, at: 0)
      try file.commit(replacing: replacing)
    }
    #expect(try scratch.entries() == ["out"])
    #expect(try contents(path) == [1, 2, 3, 4])
  }

  @Test func leavesNothingWhenItIsAbandoned() throws {
    let scratch = try Scratch()
    func interrupted() throws {
      let file = try OutputFile(path: scratch.file("out"), byteCount: 1 << 16)
      try file.write(([1, 2, 3] as [UInt8]).span.bytes, at: 0)
      #expect(try scratch.entries().count == 1)
      throw CancellationError()
    }
    #expect(throws: CancellationError.self) { try interrupted() }
    #expect(try scratch.entries() == [])
  }

  @Test func leavesNothingWhenThereIsNoRoom() throws {
    let scratch = try Scratch()
    let found = fileProblem { () throws(FileError) in
      _ = try OutputFile(path: scratch.file("out"), byteCount: .max)
    }
    guard case .system = found else {
      Issue.record("\(String(describing: found))")
      return
    }
    #expect(try scratch.entries() == [])
  }

  @Test func replacesOnlyWhenAllowed() throws {
    let scratch = try Scratch()
    let path = try scratch.write([9], to: "out")
    let refused = fileProblem { () throws(FileError) in
      let file = try OutputFile(path: path, byteCount: 2)
      try file.write(([1, 2] as [UInt8]).span.bytes, at: 0)
      try file.commit(replacing: false)
    }
    #expect(refused == .system(call: "rename", code: EEXIST))
    #expect(try scratch.entries() == ["out"])
    #expect(try contents(path) == [9])

    try SafetensorsWriter.write(path: path)
    #expect(try SafetensorsHeader(path: path).tensors.isEmpty)
    #expect(try scratch.entries() == ["out"])
  }

  @Test func replacesALinkAndNotWhatItLeadsTo() throws {
    let scratch = try Scratch()
    let target = try scratch.write([9], to: "target")
    try FileManager.default.createSymbolicLink(atPath: scratch.file("out"), withDestinationPath: "target")
    try SafetensorsWriter.write(path: scratch.file("out"))
    #expect(try contents(target) == [9])
  }

  @Test(arguments: [0o022, 0o077, 0o002, 0o027]) func hasThePermissionsThatTheUmaskLeaves(mask: Int) async {
    await #expect(processExitsWith: .success) { [mask] in
      umask(mode_t(mask))
      let scratch = try Scratch()
      try SafetensorsWriter.write(path: scratch.file("out"))
      #expect(try mode(scratch.file("out")) == 0o666 & ~mask)
      #expect(umask(0o022) == mode_t(mask), "and leaves the umask as it was")
    }
  }

  @Test func isPrivateUntilItIsWhole() throws {
    let scratch = try Scratch()
    let file = try OutputFile(path: scratch.file("out"), byteCount: 1)
    let temporary = try #require(try scratch.entries().first)
    #expect(try mode(scratch.file(temporary)) == 0o600)
    try file.commit(replacing: true)
  }

  @Test func saysWhichFolderIsMissing() throws {
    let scratch = try Scratch()
    let path = scratch.file("missing/out")
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsWriter.write(path: path) }
    #expect(error == SafetensorsError(path: path, .file(.system(call: "open", code: ENOENT))))
  }
}

extension SafetensorsWriter {
  fileprivate static func write(path: String) throws(SafetensorsError) { try write(path: path, tensors: []) }
}
