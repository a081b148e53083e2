import Foundation
import MergePlanning
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergeEngine

/// Untouched bytes on file systems that share blocks: images that root mounts for the test.
@Suite(.serialized) struct SharedBlockTests {
  /// A file system in a file, mounted for as long as the object lives.
  final class Image {
    let folder: String
    private let scratch: Scratch

    /// - Parameter command: Makes the file system; the image's path is added.
    init(_ command: [String]) throws {
      scratch = try Scratch()
      let image = scratch.file("image")
      _ = FileManager.default.createFile(atPath: image, contents: nil)
      let handle = try #require(FileHandle(forWritingAtPath: image))
      try handle.truncate(atOffset: 512 << 20)
      try handle.close()
      folder = try scratch.folder("mounted")
      try Self.run(command + [image])
      try Self.run(["mount", "-o", "loop", image, folder])
    }

    /// Bytes of blocks in use, after everything has reached the disk.
    func used() throws -> Int {
      try Self.run(["sync", "-f", folder])
      let values = try FileManager.default.attributesOfFileSystem(forPath: folder)
      let size = try #require(values[.systemSize] as? NSNumber)
      let free = try #require(values[.systemFreeSize] as? NSNumber)
      return size.intValue - free.intValue
    }

    deinit { try? Self.run(["umount", folder]) }

    static func run(_ command: [String]) throws {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = command
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      process.waitUntilExit()
      guard process.terminationStatus == 0 else { throw CommandFailed(command: command) }
    }
  }

  struct CommandFailed: Error { let command: [String] }

  private static func isPossible(_ maker: String) -> Bool {
    guard geteuid() == 0 else { return false }
    return (try? Image.run([maker, "-V"])) != nil && (try? Image(Self.commands[maker] ?? [])) != nil
  }

  private static let commands = [
    "mkfs.xfs": ["mkfs.xfs", "-q", "-m", "reflink=1"], "mkfs.btrfs": ["mkfs.btrfs", "-q"],
  ]

  /// A base with one small target between large untouched tensors, and an adapter for it.
  private func make(_ folder: String) throws -> (base: String, adapter: String) {
    let base = folder + "/base.safetensors"
    var tensors: [TestTensor] = []
    for number in 0..<2 {
      // A prime length, so that no two blocks are alike.
      let piece = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13 &+ number) }
      let bytes = Array(repeatElement(piece, count: 320).joined())
      tensors.append(TestTensor("large\(number)", .u8, [bytes.count], bytes: bytes))
      if number == 0 {
        tensors.append(TestTensor("m.weight", .f32, [64, 64], numbers: .init(repeating: 1, count: 4096)))
      }
    }
    try writeFile(base, tensors)
    let adapter = try writeAdapter(
      folder + "/adapter", rank: 1, alpha: "1",
      [
        TestTensor("m.lora_A.weight", .f32, [1, 64], numbers: .init(repeating: 2, count: 64)),
        TestTensor("m.lora_B.weight", .f32, [64, 1], numbers: .init(repeating: 3, count: 64)),
      ])
    return (base, adapter)
  }

  private func merge(_ made: (base: String, adapter: String), _ output: String, _ mode: CopyMode) throws {
    let merge = try TestMerge(base: made.base, adapter: made.adapter, output: output)
    var options = MergeEngine.Options(workers: 2)
    options.copyMode = mode
    try MergeEngine(merge.plan, options: options).run(to: merge.place, sideFiles: merge.sideFiles)
  }

  private func check(_ base: String, _ output: String) throws {
    let (old, new) = (try LoadedFile(base), try LoadedFile(output))
    for name in ["large0", "large1"] { #expect(old.data(name) == new.data(name)) }
    #expect(new.elements("m.weight")?.allSatisfy { $0 == Float(7).bitPattern } == true)
  }

  private func checkShares(_ maker: String) throws {
    let image = try Image(try #require(Self.commands[maker]))
    let made = try make(image.folder)
    let target = 64 * 64 * 4
    for mode in [CopyMode.auto, .always] {
      let before = try image.used()
      let output = image.folder + "/\(mode.rawValue).safetensors"
      try merge(made, output, mode)
      // Beside the target the file's own metadata, and the blocks at both ends of what is shared.
      #expect(try image.used() - before < target + 1 << 20, "\(mode)")
      try check(made.base, output)
    }
    let before = try image.used()
    try merge(made, image.folder + "/plain.safetensors", .never)
    #expect(try image.used() - before >= 40 << 20)
  }

  @Test(
    .enabled("needs root, mkfs.xfs and loop devices") { isPossible("mkfs.xfs") })
  func areSharedOnXFS() throws { try checkShares("mkfs.xfs") }

  @Test(
    .enabled("needs root, mkfs.btrfs and loop devices") { isPossible("mkfs.btrfs") })
  func areSharedOnBtrfs() throws { try checkShares("mkfs.btrfs") }

  /// Where blocks cannot be shared, `reflink` says so and writes nothing; the other modes give the same bytes.
  @Test func areAnErrorElsewhere() throws {
    let scratch = try Scratch()
    let made = try make(scratch.path)
    let output = scratch.file("merged.safetensors")
    try merge(made, output, .never)
    try check(made.base, output)
    let bytes = try contents(output)
    try FileManager.default.removeItem(atPath: output)
    try merge(made, output, .auto)
    #expect(try contents(output) == bytes)
    try FileManager.default.removeItem(atPath: output)
    let error = refusal { try merge(made, output, .always) }
    // The temporary folder itself may be on such a file system.
    guard let error else { return try check(made.base, output) }
    #expect(error.errorClass == "reflink")
    #expect(try scratch.entries() == ["adapter", "base.safetensors"])
  }
}
