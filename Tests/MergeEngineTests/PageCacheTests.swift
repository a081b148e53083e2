import Foundation
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergeEngine

/// What a merge leaves in the page cache of its base.
@Suite struct PageCacheTests {
  private static let byteCount = 24 << 20

  private func make(_ scratch: Scratch) throws -> (base: String, adapter: String) {
    let base = scratch.file("base.safetensors")
    try writeFile(
      base,
      [
        TestTensor("large", .u8, [Self.byteCount], bytes: .init(repeating: 5, count: Self.byteCount)),
        TestTensor("m.weight", .f32, [1, 2], numbers: [1, 2]),
      ])
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        TestTensor("m.lora_A.weight", .f32, [1, 2], numbers: [1, 1]),
        TestTensor("m.lora_B.weight", .f32, [1, 1], numbers: [1]),
      ])
    return (base, adapter)
  }

  /// The share of a file's pages that are in the page cache.
  private static func cachedShare(_ path: String) throws -> Double {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    let pageCount = (bytes.count + Int(getpagesize()) - 1) / Int(getpagesize())
    var pages = [UInt8](repeating: 0, count: pageCount)
    let status = bytes.withUnsafeBytes { mincore(UnsafeMutableRawPointer(mutating: $0.baseAddress), $0.count, &pages) }
    try #require(status == 0)
    return Double(pages.count { $0 & 1 == 1 }) / Double(pageCount)
  }

  /// Writes a file to the disk and takes it out of the page cache; false where the file system keeps it there.
  private static func drop(_ path: String) throws -> Bool {
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    try handle.synchronize()
    try handle.close()
    let file = try InputFile(path: path)
    file.drop(0..<file.byteCount)
    return try cachedShare(path) < 0.05
  }

  private static var canDrop: Bool {
    guard let scratch = try? Scratch(),
      let path = try? scratch.write([UInt8](repeating: 1, count: 1 << 20), to: "probe")
    else { return false }
    return (try? drop(path)) == true
  }

  @Test(.enabled("needs temporary files on a disk whose pages can be dropped") { canDrop }, arguments: [true, false])
  func isLeftAsItWasFound(isCold: Bool) throws {
    let scratch = try Scratch()
    let made = try make(scratch)
    if isCold {
      try #require(try Self.drop(made.base))
    } else {
      _ = try contents(made.base)
    }
    var options = MergeEngine.Options(workers: 2)
    options.copyMode = .never
    let merge = try TestMerge(base: made.base, adapter: made.adapter, output: scratch.file("merged.safetensors"))
    try MergeEngine(merge.plan, options: options).run(to: merge.place, sideFiles: merge.sideFiles)
    let share = try Self.cachedShare(made.base)
    #expect(isCold ? share < 0.05 : share > 0.95)
  }

  /// What another merge of the base may still read is not dropped behind this one.
  @Test(.enabled("needs temporary files on a disk whose pages can be dropped") { canDrop })
  func isKeptForAnotherMerge() throws {
    let scratch = try Scratch()
    let made = try make(scratch)
    try #require(try Self.drop(made.base))
    var options = MergeEngine.Options(workers: 2)
    options.copyMode = .never
    let merge = try TestMerge(base: made.base, adapter: made.adapter, output: scratch.file("merged.safetensors"))
    _ = try withExtendedLifetime(BaseUse(merge.plan)) {
      try MergeEngine(merge.plan, options: options).run(to: merge.place, sideFiles: merge.sideFiles)
    }
    #expect(try Self.cachedShare(made.base) > 0.95)
  }

  /// Users of one file find each other, and are forgotten when they are done.
  @Test(.enabled("needs a disk that tells what is cached") { canDrop }) func usersOfAFileFindEachOther() throws {
    let scratch = try Scratch()
    let path = try scratch.write([UInt8](repeating: 1, count: 1 << 16), to: "file")
    let one = try InputFile(path: path)
    #expect(one.share())
    #expect(!one.isShared)
    do {
      let other = try InputFile(path: path)
      #expect(other.share())
      #expect(one.isShared && other.isShared)
      // Who only reads the file is no user.
      withExtendedLifetime(try InputFile(path: path)) {}
      withExtendedLifetime(other) {}
    }
    #expect(!one.isShared)
  }
}
