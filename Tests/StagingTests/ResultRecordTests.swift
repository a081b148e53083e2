import Checksums
import JSONText
import TestSupport
import Testing

@testable import Staging

/// `.safemerge.json`: what is written is read again as it was.
@Suite struct ResultRecordTests {
  private let one = SHA256Checksum(of: [1])
  private let two = SHA256Checksum(of: [2])

  private var identity: MergeIdentity {
    MergeIdentity(
      version: "1.2.3", options: [.init(name: "dtype", value: "same"), .init(name: "weight 1", value: "0.5")],
      inputs: [
        .init(role: "base", name: "a.safetensors", byteCount: 10, headerChecksum: one),
        .init(role: "base", name: "b.safetensors", byteCount: 11, headerChecksum: two),
        .init(role: "adapter 1", name: "adapter_config.json", byteCount: 12, checksum: one),
        .init(role: "written", name: "config.json", byteCount: 13, checksum: two),
      ])
  }

  @Test func isReadAsItWasWritten() throws {
    let record = ResultRecord(
      identity, baseChecksums: [two, nil],
      files: [
        .init(name: "a.safetensors", byteCount: 10, headerChecksum: one, checksum: two),
        .init(name: "folder/config.json", byteCount: 13),
      ])
    // What the merge wrote itself did not go in.
    #expect(record.inputs.map(\.role) == ["base", "base", "adapter 1"])
    #expect(record.inputs.map(\.checksum) == [two, nil, one])
    let scratch = try Scratch()
    #expect(try ResultRecord.read(in: scratch.path) == nil)
    try write(record.text, to: scratch.file(".safemerge.json"))
    let found = try #require(try ResultRecord.read(in: scratch.path))
    #expect(found == record)
    #expect(found.text == record.text)
    #expect(found.option("weight 1") == "0.5" && found.option("round") == nil)
  }

  /// A text that is not a merge's record gives what it has.
  @Test func whatIsMissingIsLeftOut() throws {
    let list = try ResultRecord(text: Array("{\"files\": {\"a\": {\"size\": 3}, \"b\": 7}}".utf8))
    #expect(list.options == nil && list.inputs == [])
    #expect(list.files == [.init(name: "a", byteCount: 3), .init(name: "b", byteCount: nil)])
    let other = try ResultRecord(text: Array("{\"files\": [{\"size\": 3}, 4], \"options\": {\"a\": 1}}".utf8))
    #expect(other.options == [] && other.files == [])
    #expect(throws: JSONError.self) { try ResultRecord(text: Array("{".utf8)) }
  }
}
