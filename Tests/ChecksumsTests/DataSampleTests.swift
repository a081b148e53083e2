import Platform
import TestSupport
import Testing

@testable import Checksums

@Suite struct DataSampleTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func sample(_ bytes: [UInt8]) throws -> SHA256Checksum {
    try DataSample.of(scratch.write(bytes, to: "file"))
  }

  private func random(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  /// The blocks lie in the file, apart from each other, the first at its start and the last at its end.
  @Test(arguments: [131_073, 150_000, 1 << 20, 5_000_000_000]) func blocksAreSpread(byteCount: Int) {
    let blocks = DataSample.blocks(ofFile: byteCount)
    #expect(blocks.count == 32 && blocks.allSatisfy { $0.count == 4096 })
    #expect(blocks.first?.lowerBound == 0 && blocks.last?.upperBound == byteCount)
    for (one, next) in zip(blocks, blocks.dropFirst()) {
      #expect(one.upperBound <= next.lowerBound)
      #expect(abs(next.lowerBound - one.lowerBound - (byteCount - 4096) / 31) <= 1)
    }
  }

  /// The checksum of the size in digits, a line feed and the blocks.
  @Test func isTheChecksumOfSizeAndBlocks() throws {
    let bytes = random(400_000, seed: 1)
    let blocks = DataSample.blocks(ofFile: bytes.count).flatMap { bytes[$0] }
    #expect(try sample(bytes) == SHA256Checksum(of: Array("400000\n".utf8) + blocks))
    #expect(try sample([]) == SHA256Checksum(of: Array("0\n".utf8)))
  }

  @Test(arguments: [1, 4096, 131_072]) func everyByteOfASmallFileCounts(byteCount: Int) throws {
    let bytes = random(byteCount, seed: 2)
    let old = try sample(bytes)
    for place in [0, byteCount / 2, byteCount - 1] {
      var changed = bytes
      changed[place] ^= 1
      #expect(try sample(changed) != old)
    }
    #expect(try sample(Array(bytes.dropLast())) != old)
  }

  /// Another fine-tune, the end of a file that was never written, and one more byte are found; a byte between blocks is not.
  @Test func otherFilesHaveOtherSamples() throws {
    let bytes = random(400_000, seed: 3)
    let old = try sample(bytes)
    #expect(try sample(bytes) == old)
    #expect(try sample(random(400_000, seed: 4)) != old)
    #expect(try sample(bytes.dropLast(1000) + [UInt8](repeating: 0, count: 1000)) != old)
    #expect(try sample(bytes + [0]) != old)
    var changed = bytes
    changed[10_000] ^= 1
    #expect(try sample(changed) == old)
  }

  @Test func aFileThatIsAnotherIsRefused() throws {
    let path = try scratch.write([1, 2, 3], to: "file")
    let identity = try InputFile(path: path).identity
    #expect(try DataSample.of(path, expecting: identity) == DataSample.of(path))
    try scratch.write([1, 2, 3, 4], to: "file")
    #expect(throws: FileError(path: path, .changed)) { try DataSample.of(path, expecting: identity) }
    let missing = #expect(throws: FileError.self) { try DataSample.of(scratch.file("missing")) }
    #expect(missing?.errorClass == "not-found")
  }
}
