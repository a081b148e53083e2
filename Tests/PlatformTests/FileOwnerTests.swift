import Foundation
import Platform
import Testing

/// By which number a file system knows this user.
@Suite struct FileOwnerTests {
  @Test func isThisUserOnALocalDisk() throws {
    let folder = NSTemporaryDirectory() + "owner-\(UInt64.random(in: 0 ... .max))"
    try SystemCalls.makeFolder(folder, mode: 0o700)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(FileOwner.ofNewFiles(in: folder) == Machine.userID)
    #expect(try SystemCalls.entries(ofFolder: folder) == [])
    #expect(FileOwner.ofNewFiles(in: folder + "/missing") == nil)
  }

  @Test func namesThatAreGoneAreNoFailure() throws {
    let folder = NSTemporaryDirectory() + "names-\(UInt64.random(in: 0 ... .max))"
    try SystemCalls.ensureFolder(folder, mode: 0o700)
    try SystemCalls.ensureFolder(folder, mode: 0o700)
    #expect(throws: SystemCalls.Failure(call: "mkdir", code: EEXIST)) {
      try SystemCalls.makeFolder(folder, mode: 0o700)
    }
    try SystemCalls.removeFile(folder + "/missing")
    try SystemCalls.removeFolder(folder + "/missing")
    let file = folder + "/file"
    try SystemCalls.close(try SystemCalls.createExclusively(file, mode: 0o600))
    #expect(throws: SystemCalls.Failure(call: "mkdir", code: EEXIST)) {
      try SystemCalls.ensureFolder(file, mode: 0o700)
    }
    #expect(throws: SystemCalls.Failure(call: "rmdir", code: ENOTEMPTY)) { try SystemCalls.removeFolder(folder) }
    // A file that has the name already is not this one.
    let other = folder + "/other"
    try SystemCalls.close(try SystemCalls.createExclusively(other, mode: 0o600))
    #expect(throws: SystemCalls.Failure(call: "link", code: EEXIST)) { try Renaming.link(file, to: other) }
    try SystemCalls.removeFile(other)
    try Renaming.link(file, to: other)
    // A second request for it.
    try Renaming.link(file, to: other)
    for name in [file, other] { try SystemCalls.removeFile(name) }
    try SystemCalls.removeFolder(folder)
  }
}
