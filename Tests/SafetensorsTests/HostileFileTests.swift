import Foundation
import TestSupport
import Testing

@testable import Platform
@testable import Safetensors

private func refusal(_ path: String) -> SafetensorsError? {
  do throws(SafetensorsError) {
    _ = try SafetensorsHeader(path: path)
    return nil
  } catch { return error }
}

@Suite struct HostileFileTests {
  @Test(
    arguments: [
      ("fifo", "not-a-file"), ("socket", "not-a-file"), ("folder", "not-a-file"), ("/dev/zero", "not-a-file"),
      ("/dev/null", "not-a-file"), ("missing", "not-found"), ("dangling", "not-found"), ("loop", "system"),
      ("missing/file", "not-found"), ("empty", "truncated"), ("to-fifo", "not-a-file"),
    ])
  func neverHangsOnSpecialFiles(name: String, errorClass: String) throws {
    let scratch = try Scratch()
    let manager = FileManager.default
    #expect(mkfifo(scratch.file("fifo"), 0o600) == 0)
    try manager.createDirectory(atPath: scratch.file("folder"), withIntermediateDirectories: false)
    try manager.createSymbolicLink(atPath: scratch.file("dangling"), withDestinationPath: "nothing")
    try manager.createSymbolicLink(atPath: scratch.file("loop"), withDestinationPath: "loop")
    try manager.createSymbolicLink(atPath: scratch.file("to-fifo"), withDestinationPath: "fifo")
    _ = try scratch.write([], to: "empty")
    let listener = try bindSocket(scratch.file("socket"))
    defer { close(listener) }

    let path = name.hasPrefix("/") ? name : scratch.file(name)
    let error = try #require(refusal(path))
    #expect(error.errorClass == errorClass)
    #expect(error.path == path)
    #expect(error.category == (["system", "not-found"].contains(errorClass) ? .inputOutput : .refusedInput))
    #expect(throws: SafetensorsError.self) { try SafetensorsFile(path: path) }
  }

  /// The header's length, then `{}` and 1000 spaces.
  @Test(
    arguments: [
      (100_000_001, .headerTooLarge(byteCount: 100_000_001, lookalike: nil)),
      (1 << 63, .headerTooLarge(byteCount: 1 << 63, lookalike: .bigEndianLength)),
      (.max, .headerTooLarge(byteCount: .max, lookalike: nil)),
      (.max - 7, .headerTooLarge(byteCount: .max - 7, lookalike: nil)),
      (1 << 32 + 2, .headerTooLarge(byteCount: 1 << 32 + 2, lookalike: nil)),
      (100_000_000, .truncated(found: 1010, expected: 100_000_008)),
      (1003, .truncated(found: 1010, expected: 1011)),
      (1001, .coverage(fileByteCount: 1010, described: 1009)),
      (1002, nil),
    ] as [(UInt64, Problem?)])
  func believesNoLengthThatLies(length: UInt64, expected: Problem?) throws {
    let scratch = try Scratch()
    let header = (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
    let path = try scratch.write(header + Array("{}".utf8) + Array(repeating: 0x20, count: 1000), to: "f")
    #expect(refusal(path)?.problem == expected)
  }

  /// Each range is allowed on its own; together they end where adding the header's length leaves 64 bits.
  @Test func addsUpOffsetsThatLeave64Bits() throws {
    let scratch = try Scratch()
    let each = UInt64(1) << 61 - 1
    let entries = (0..<8).map { (index: UInt64) in
      #""\#(index)":{"dtype":"U8","shape":[\#(each)],"data_offsets":[\#(index * each),\#((index + 1) * each)]}"#
    }
    let path = try scratch.write(fileBytes(header: "{\(entries.joined(separator: ","))}"), to: "f")
    let error = try #require(refusal(path))
    #expect(error.errorClass == "truncated")
    #expect(error.message.contains("its header describes \(UInt64.max)"))
  }

  #if os(Linux)
  /// jansson alone would take 77 times the header's length for it.
  @Test(arguments: ["{}", "[]", "0", #""""#])
  func refusesABombInAnIgnoredKeyWithoutSpendingMemory(element: String) async {
    await #expect(processExitsWith: .success) { [element] in
      let scratch = try Scratch()
      let start = #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":["#
      let count = 6_000_000 / (element.utf8.count + 1)
      let bytes = fileBytes(header: start + Array(repeating: element, count: count).joined(separator: ",") + "]}}")
      let path = try scratch.write(bytes, to: "bomb")
      let before = try #require(processStatus("VmHWM"))
      let error = try #require(refusal(path))
      #expect(error.errorClass == "schema")
      #expect(error.tensorName == "a")
      let after = try #require(processStatus("VmHWM"))
      #expect(after - before < 12 << 10, "grew by \(after - before) KiB for a header of \(bytes.count) bytes")
    }
  }

  /// The length is refused before anything is allocated for it.
  @Test func allocatesNothingForALengthBeyondTheFile() async {
    await #expect(processExitsWith: .success) {
      let scratch = try Scratch()
      let path = try scratch.write([0x00, 0xE1, 0xF5, 0x05, 0, 0, 0, 0, 0x7B, 0x7D], to: "f")
      let before = try #require(processStatus("VmPeak"))
      #expect(refusal(path)?.problem == .truncated(found: 10, expected: 100_000_008))
      // Another thread's first allocation may reserve 64 MiB of addresses meanwhile.
      #expect(try #require(processStatus("VmPeak")) - before < 90 << 10)
    }
  }
  #endif

  @Test func readsAHundredThousandTensorsIntoASmallTable() throws {
    let scratch = try Scratch()
    let count = 100_000
    var header = "{"
    for index in 0..<count {
      header += index == 0 ? "" : ","
      header += "\"model.layers.\(index).w\":"
      header += "{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[\(index * 8),\(index * 8 + 8)]}"
    }
    let path = try scratch.write(fileBytes(header: header + "}"), to: "f")
    truncate(path, off_t(8 + header.utf8.count + 1 + count * 8))
    let table = try SafetensorsHeader(path: path).tensors
    #expect(table.count == count)
    #expect(table[count - 1].name == "model.layers.99999.w")
    #expect(table[count - 1].dataOffsets == (count - 1) * 8..<count * 8)
    let nameBytes = table.nameBytes.count
    #expect(MemoryLayout<TensorTable.Entry>.stride <= 40)
    // Entry and two dimensions; buffers that grow by doubling may be half empty.
    #expect(table.memoryByteCount <= 2 * (count * (40 + 16) + nameBytes))
  }

  @Test func findsARepeatedNameAmongManyInOrder() throws {
    let scratch = try Scratch()
    let entry = #"{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#
    let names = (0..<3000).map { "\"n\($0)\":\(entry)" } + ["\"n1234\":\(entry)"]
    let path = try scratch.write(fileBytes(header: "{\(names.joined(separator: ","))}"), to: "f")
    #expect(refusal(path)?.problem == .duplicateKey("n1234"))
  }

  @Test func readsAtMostSoLongNamesAndEntries() throws {
    let scratch = try Scratch()
    func file(name: Int, shape: Int) throws -> String {
      let ones = Array(repeating: "0", count: shape).joined(separator: ",")
      let key = String(repeating: "n", count: name)
      let header = "{\"\(key)\":{\"dtype\":\"U8\",\"shape\":[\(ones)],\"data_offsets\":[0,0]}}"
      return try scratch.write(fileBytes(header: header), to: "f")
    }
    #expect(refusal(try file(name: 1 << 20, shape: 1)) == nil)
    #expect(refusal(try file(name: 1 << 20 + 1, shape: 1))?.errorClass == "schema")
    #expect(refusal(try file(name: 1, shape: 32_000)) == nil)
    #expect(try SafetensorsHeader(path: scratch.file("f")).tensors[0].shape.count == 32_000)
    #expect(refusal(try file(name: 1, shape: 33_000))?.errorClass == "schema")
  }

  @Test func noticesAFileThatChanges() throws {
    let scratch = try Scratch()
    let path = try scratch.write(fileBytes(header: "{}"), to: "f")
    let file = try InputFile(path: path)
    #expect(fileProblem { () throws(FileError) in try file.checkUnchanged() } == nil)
    truncate(path, 4)
    #expect(fileProblem { () throws(FileError) in _ = try file.bytes(0..<10) } == .changed)
    #expect(fileProblem { () throws(FileError) in try file.checkUnchanged() } == .changed)
  }
}
