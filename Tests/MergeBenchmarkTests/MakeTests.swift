import Adapters
import ArgumentParser
import Checkpoints
import MergePlanning
import Merging
import Safetensors
import TestSupport
import Testing

@testable import MergeBenchmark

/// What `MergeBenchmark make` writes is what safemerge reads.
@Suite struct MakeTests {
  struct Case: CustomTestStringConvertible {
    let name: String
    let arguments: [String]
    let modules: Int
    var shards = 1
    /// Weights that are codes.
    var decoded = 0
    var testDescription: String { name }
  }

  private static let cases = [
    Case(name: "Llama", arguments: [], modules: 14),
    Case(name: "experts", arguments: ["--model", "moe"], modules: 2 * (4 + 3 * 4)),
    Case(
      name: "DoRA in f16, three files", arguments: ["--dora", "--dtype", "f16", "--shards", "3"], modules: 14, shards: 3
    ),
    Case(name: "q and v", arguments: ["--targets", "q,v_proj", "--factor-dtype", "bf16"], modules: 4),
    Case(name: "one layer", arguments: ["--adapter-layers", "1", "--dtype", "f32"], modules: 7),
    Case(name: "sparse", arguments: ["--sparse", "--shards", "5"], modules: 14, shards: 5),
    Case(name: "a file a tensor", arguments: ["--shards", "21"], modules: 14, shards: 21),
    Case(name: "gpt-oss", arguments: ["--model", "gpt-oss"], modules: 2 * 6),
    Case(name: "gpt-oss, one stack", arguments: ["--model", "gpt-oss", "--targets", "q,down"], modules: 4),
    Case(
      name: "experts in FP8", arguments: ["--model", "moe", "--format", "fp8-block", "--hidden", "192"],
      modules: 2 * (4 + 3 * 4), decoded: 2 * (4 + 3 * 4)),
    Case(
      name: "NF4, three files", arguments: ["--format", "nf4", "--shards", "3"], modules: 14, shards: 3, decoded: 14),
    Case(name: "MXFP4", arguments: ["--model", "gpt-oss", "--format", "mxfp4"], modules: 2 * 6, decoded: 2 * 2),
    Case(name: "another shape", arguments: ["--layers", "1", "--vocab", "7", "--intermediate", "33"], modules: 7),
  ]

  /// Makes a tiny checkpoint in `scratch`; returns its folder.
  private func make(_ arguments: [String], in scratch: Scratch) throws -> String {
    let folder = scratch.file("made")
    try MakeCommand.parse([folder, "--quiet", "--size", "tiny", "--rank", "3"] + arguments).run()
    return folder
  }

  @Test(arguments: cases) func isPlannedCompletely(_ made: Case) throws {
    let scratch = try Scratch()
    let folder = try make(made.arguments, in: scratch)
    let checkpoint = try Checkpoint(path: folder + "/base")
    #expect(checkpoint.files.count == made.shards)
    let adapter = try Adapter(folder: folder + "/adapter")
    #expect(adapter.updates.count == made.modules)
    #expect(adapter.warnings == [])
    #expect(adapter.ignoredTensors.isEmpty)
    let plan = try MergePlan(base: checkpoint, adapters: [AdapterUse(adapter)], options: MergeOptions())
    #expect(plan.warnings == [])
    #expect(Array(plan.updatedTensors).count == made.modules)
    #expect(plan.quantization?.decoded ?? 0 == made.decoded)
  }

  @Test func valuesAreOfTheirSize() throws {
    let scratch = try Scratch()
    let path = try make(["--dtype", "f32"], in: scratch) + "/base/model.safetensors"
    let (header, bytes) = (try SafetensorsHeader(path: path), try contents(path))
    for tensor in header.tensors {
      let data = bytes[header.dataStart..<bytes.count][(header.dataStart + tensor.dataOffsets.lowerBound)...]
      let values = data.prefix(tensor.byteCount).withUnsafeBytes { raw in
        (0..<tensor.elementCount).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
      }
      let mean = values.reduce(0, +) / Float(values.count)
      let expected: Float = tensor.shape.count == 1 ? 1 : 0
      #expect(abs(mean - expected) < 0.01, "\(tensor.name)")
      let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(values.count)).squareRoot()
      #expect(abs(deviation - 0.02) < 0.006, "\(tensor.name)")
      #expect(values.allSatisfy { $0.isNormal }, "\(tensor.name)")
    }
  }

  /// Codes of every format decode to numbers of the size of weights.
  @Test(arguments: [
    ["--format", "fp8-block"], ["--format", "nf4"], ["--model", "gpt-oss", "--format", "mxfp4"],
  ])
  func codesAreOfTheirSize(arguments: [String]) throws {
    let scratch = try Scratch()
    let folder = try make(arguments, in: scratch)
    try MergeRequest(base: folder + "/base", adapters: [folder + "/adapter"], output: scratch.file("merged"))
      .prepare().run()
    let (header, bytes) = (
      try SafetensorsHeader(path: scratch.file("merged") + "/model.safetensors"),
      try contents(scratch.file("merged") + "/model.safetensors")
    )
    for tensor in header.tensors where tensor.dtype == .bf16 && tensor.shape.count > 1 {
      let start = header.dataStart + tensor.dataOffsets.lowerBound
      let values = (0..<tensor.elementCount).map { element in
        Float(bitPattern: (UInt32(bytes[start + 2 * element]) | UInt32(bytes[start + 2 * element + 1]) << 8) << 16)
      }
      let deviation = (values.reduce(0) { $0 + $1 * $1 } / Float(values.count)).squareRoot()
      #expect((0.002...0.08).contains(deviation), "\(tensor.name) \(deviation)")
    }
  }

  @Test func theSameOptionsMakeTheSameBytes() throws {
    let (one, other) = (try Scratch(), try Scratch())
    let arguments = ["--dora", "--dtype", "f16"]
    let folders = [try make(arguments, in: one), try make(arguments, in: other)]
    for file in ["base/model.safetensors", "adapter/adapter_model.safetensors"] {
      #expect(try contents("\(folders[0])/\(file)") == contents("\(folders[1])/\(file)"))
    }
    let third = try Scratch()
    let seeded = try make(arguments + ["--seed", "2"], in: third)
    #expect(
      try contents("\(seeded)/base/model.safetensors") != contents("\(folders[0])/base/model.safetensors"))
  }

  @Test func anotherAdapterForTheSameBase() throws {
    let scratch = try Scratch()
    let folder = try make([], in: scratch)
    try MakeCommand.parse([folder, "--quiet", "--size", "tiny", "--adapter", "wide", "--adapter-only", "--rank", "8"])
      .run()
    #expect(try Adapter(folder: folder + "/wide").updates.allSatisfy { $0.rank == 8 })
  }

  @Test(arguments: [
    (["--targets", "q,foo"], BenchmarkError.unknownTarget("foo", known: ModelSize.tiny.shape(nil).targetNames)),
    (["--heads", "3"], .headsDoNotDivide(hidden: 64, heads: 3)),
    (["--kv-heads", "3"], .groupsDoNotDivide(heads: 4, keyValueHeads: 3)),
    (["--layers", "0"], .notPositive(option: "--layers", value: 0)),
    (["--format", "mxfp4"], .formatOfFamily(format: "mxfp4", family: "llama")),
    (["--model", "gpt-oss", "--format", "nf4"], .formatOfFamily(format: "nf4", family: "gpt-oss")),
    (
      ["--model", "gpt-oss", "--format", "mxfp4", "--intermediate", "80"],
      .notInBlocks(option: "--intermediate", value: 80, block: 32)
    ),
    (["--format", "nf4", "--sparse"], .sparseCodes),
    (["--model", "gpt-oss", "--dora"], .doraOfExperts),
    (["--shards", "22"], .tooManyShards(shards: 22, tensors: 21)),
  ])
  func impossibleModelsAreRefused(arguments: [String], expected: BenchmarkError) throws {
    let scratch = try Scratch()
    #expect(throws: expected) { try make(arguments, in: scratch) }
    #expect(try scratch.entries().allSatisfy { $0 == "made" })
  }

  @Test func nothingIsWrittenOver() throws {
    let scratch = try Scratch()
    let folder = try make([], in: scratch)
    #expect(throws: BenchmarkError.outputExists(folder + "/base")) { try make([], in: scratch) }
  }

  /// The size that only sparse files can have, from its names and shapes alone.
  @Test func theLargestSizeHas100000Tensors() {
    let tensors = ModelSize.huge.shape(nil).tensors
    #expect(tensors.count == 100_000)
    #expect(2 * tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } == 1_431_779_650_560)
  }
}
