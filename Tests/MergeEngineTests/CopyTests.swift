import Checkpoints
import JSONText
import Safetensors
import TestSupport
import Testing

/// What is not merged: copied byte for byte, in the base's order.
@Suite struct CopyTests {
  private static let factors = [
    TestTensor("m.lora_A.weight", .f32, [1, 2], numbers: [1, 2]),
    TestTensor("m.lora_B.weight", .f32, [1, 1], numbers: [3]),
  ]
  private static let target = TestTensor("m.weight", .f16, [1, 2], numbers: [1, 2])

  private func merge(
    _ tensors: [TestTensor], metadata: String? = nil, dataStart: Int = 0
  ) throws -> (scratch: Scratch, base: LoadedFile, merged: LoadedFile) {
    let scratch = try Scratch()
    let base = scratch.file("base.safetensors")
    try writeFile(base, tensors, metadata: metadata, dataStart: dataStart)
    let adapter = try writeAdapter(scratch.file("adapter"), rank: 1, alpha: "1", Self.factors)
    let output = scratch.file("merged.safetensors")
    try TestMerge(base: base, adapter: adapter, output: output).run()
    return (scratch, try LoadedFile(base), try LoadedFile(output))
  }

  @Test(arguments: [0, 1]) func everyDTypeIsCopied(dataStart: Int) throws {
    var random = SeededGenerator()
    var tensors = DType.allCases.map { dtype in
      let bytes = (0..<dtype.bitCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      return TestTensor("t.\(dtype.name)", dtype, [2, 4], bytes: bytes)
    }
    // NaN with payloads and signalling ones among them: nothing may look at the values.
    tensors += [
      TestTensor("nan.f32", .f32, [2], bits: [0x7f80_0001, 0xffff_ffff]),
      TestTensor("nan.f16", .f16, [2], bits: [0x7c01, 0xffff]), TestTensor("inf.bf16", .bf16, [1], bits: [0xff80]),
      TestTensor("empty", .f32, [0]), TestTensor("empty.rows", .bf16, [3, 0, 2]),
      TestTensor("scalar", .i64, [], bytes: [1, 2, 3, 4, 5, 6, 7, 8]), Self.target,
      TestTensor("last", .u8, [3], bytes: [9, 8, 7]),
    ]
    tensors.shuffle(using: &random)
    let (_, base, merged) = try merge(tensors, dataStart: dataStart)
    // The table is in the order of the data, where empty tensors may stand on either side of others.
    #expect(merged.names.count == tensors.count)
    #expect(merged.names.filter { !$0.hasPrefix("empty") } == base.names.filter { !$0.hasPrefix("empty") })
    for tensor in tensors where tensor.name != "m.weight" {
      let copy = try #require(merged.info(tensor.name))
      #expect(copy.dtype == tensor.dtype, "\(random)")
      #expect(copy.shape == tensor.shape, "\(random)")
      #expect(Array(merged.data(copy)) == tensor.bytes, "\(tensor.name), \(random)")
    }
    #expect(merged.elements("m.weight") == [4, 8].map { Elements.narrow(Float($0), .f16) })
  }

  /// Longer than a piece of a copy, between two merged tensors, with neighbors.
  @Test func largeTensorsAreCopiedWhole() throws {
    var random = SeededGenerator()
    var state = random.next() | 1
    let large = [UInt8](unsafeUninitializedCapacity: 17 << 20 | 5) { buffer, count in
      let words = buffer.withMemoryRebound(to: UInt64.self) { $0 }
      for index in 0..<(17 << 17) {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        words[index] = state
      }
      for index in 17 << 20..<(17 << 20 | 5) { buffer[index] = 0x5a }
      count = 17 << 20 | 5
    }
    let (_, base, merged) = try merge([
      TestTensor("before", .u8, [3], bytes: [1, 2, 3]), TestTensor("large", .u8, [large.count], bytes: large),
      Self.target, TestTensor("after", .u8, [1], bytes: [4]),
    ])
    #expect(merged.names == base.names)
    #expect(isSame(merged.data(try #require(merged.info("large"))), large[...]), "\(random)")
    #expect(merged.data("before") == [1, 2, 3])
    #expect(merged.data("after") == [4])
  }

  @Test func keepsTheOrderOfTensors() throws {
    let names = ["z", "b10", "b9", "A", "m.weight", "é", "c"]
    let tensors = names.map { name in
      name == "m.weight" ? Self.target : TestTensor(name, .u8, [2], bytes: Array(name.utf8.prefix(1)) + [0])
    }
    #expect(try merge(tensors).merged.names == names)
  }

  @Test func keepsMetadataInItsOrder() throws {
    func entries(_ metadata: String?) throws -> [[String]]? {
      try merge([Self.target], metadata: metadata).merged.header.metadata?.map { [$0.key, $0.value] }
    }
    let all = "{\"z\":\"1\",\"format\":\"pt\",\"a\":\"\\u001b\"}"
    #expect(try entries(all) == [["z", "1"], ["format", "pt"], ["a", "\u{1b}"]])
    #expect(try entries("{\"z\":\"1\",\"a\":\"2\"}") == [["z", "1"], ["a", "2"], ["format", "pt"]])
    #expect(try entries("{\"format\":\"np\"}") == [["format", "np"]])
    #expect(try entries("{}") == [["format", "pt"]])
    #expect(try entries(nil) == [["format", "pt"]])
  }

  /// transformers wrote these; nothing in them depends on the values of tensors.
  @Test(arguments: ["f32", "bf16"]) func keepsTheIndexOfAFixture(dtype: String) throws {
    let scratch = try Scratch()
    let base = fixturesPath() + "/bases/llama-\(dtype)-sharded"
    let output = scratch.file("merged")
    try TestMerge(base: base, adapter: FixtureCase.adapter("linear-\(dtype)"), output: output).run()
    let name = "/model.safetensors.index.json"
    #expect(try contents(output + name) == contents(base + name))
    let files = try tree(base).keys.sorted()
    #expect(try tree(output).keys.sorted() == files)
    for file in files where file.hasSuffix(".safetensors") {
      #expect(try LoadedFile(output + "/" + file).names == LoadedFile(base + "/" + file).names)
      // Written by the same library as the base, with the same tensors: the same header.
      let (old, new) = (try LoadedFile(base + "/" + file), try LoadedFile(output + "/" + file))
      #expect(old.bytes.prefix(old.header.dataStart) == new.bytes.prefix(new.header.dataStart))
    }
  }

  /// `total_size` and nothing else of the index follows from a change of dtype.
  @Test func indexFollowsTheOutputDType() throws {
    let scratch = try Scratch()
    let base = fixturesPath() + "/bases/llama-f32-sharded"
    let output = scratch.file("merged")
    let adapter = fixturesPath() + "/lora/linear/f32/adapter"
    try TestMerge(base: base, adapter: adapter, output: output, dtype: .bf16).run()
    let (old, new) = (try Checkpoint(path: base), try Checkpoint(path: output))
    #expect(new.index?.weightMap == old.index?.weightMap)
    func size(_ checkpoint: Checkpoint) -> Int { checkpoint.files.reduce(0) { $0 + $1.header.dataByteCount } }
    #expect(size(new) * 2 == size(old))
    #expect(new.index?.metadata.first { $0.key == "total_size" }?.value == .integer(Int64(size(new))))
  }
}
