import Safetensors
import Synchronization
import TestSupport
import Testing
import TileKernels

/// Merged elements against the normative arithmetic in plain Swift, bit for bit.
@Suite struct ArithmeticTests {
  static let dtypes: [DType] = [.f32, .f16, .bf16]

  /// One seed for all combinations of a run.
  private static let seeded = SeededGenerator()

  @Test(arguments: dtypes, dtypes)
  func isTheNormativeArithmetic(base: DType, factors: DType) throws {
    var random = Self.seeded
    for dataStart in [0, 3] {
      // The large shape once is enough.
      let shapes = dataStart == 0 ? MadeModel.shapes : Array(MadeModel.shapes.dropLast())
      let model = try MadeModel(
        dtype: base, factors: factors, shapes: shapes, dataStart: dataStart, &random)
      for dtype in Self.dtypes {
        let output = model.output("to-\(dtype.name)-\(dataStart)")
        try TestMerge(base: model.base, adapter: model.adapter, output: output, dtype: dtype).run()
        let merged = try LoadedFile(output)
        for module in model.modules {
          let name = module.name
          let weight = try #require(merged.info("\(name).weight"))
          #expect(weight.dtype == dtype)
          #expect(weight.shape == [module.rows, module.columns])
          let comment = "\(name) [\(module.rows), \(module.columns)] to \(dtype.name), \(random)"
          let difference = Elements.difference(
            try #require(merged.elements("\(name).weight")), model.expected(module.weight, module.delta, dtype))
          #expect(difference == nil, "\(comment)")
          let biasDifference = Elements.difference(
            try #require(merged.elements("\(name).bias")), model.expected(module.bias, module.biasDelta, dtype))
          #expect(biasDifference == nil, "bias of \(comment)")
        }
      }
    }
  }

  /// Rows so long that a tile is a few of them, and tensors of two tiles: neither changes a bit.
  @Test(arguments: [(9, 131_073), (2049, 65)])
  func doesNotDependOnTheTiles(rows: Int, columns: Int) throws {
    var random = Self.seeded
    let model = try MadeModel(
      dtype: .bf16, factors: .f32, shapes: [(rows, columns)], rank: 2, dataStart: 1, hasSpecialValues: false, &random)
    let output = model.output("merged")
    try TestMerge(base: model.base, adapter: model.adapter, output: output).run()
    let module = model.modules[0]
    let found = try #require(try LoadedFile(output).elements("\(module.name).weight"))
    #expect(Elements.difference(found, model.expected(module.weight, module.delta, .bf16)) == nil, "\(random)")
  }

  @Test(arguments: dtypes)
  func doesNotDependOnWorkersOrInstructionSet(dtype: DType) throws {
    var random = Self.seeded
    let model = try MadeModel(dtype: dtype, factors: .f32, dataStart: 5, &random)
    var first: [UInt8]?
    for kernels in KernelSet.available {
      for workers in [1, 2, 7] {
        let output = model.output("\(kernels.name)-\(workers)")
        try TestMerge(base: model.base, adapter: model.adapter, output: output).run(workers: workers, kernels: kernels)
        let bytes = try contents(output)
        if let first {
          #expect(isSame(bytes[...], first[...]), "\(kernels.name), \(workers) workers, \(random)")
        } else {
          first = bytes
        }
      }
    }
  }

  /// A change of dtype rounds tensors that no adapter touches, too, and leaves those of other types alone.
  @Test func outputDTypeRoundsWhatIsNotMerged() throws {
    let scratch = try Scratch()
    let base = scratch.file("base.safetensors")
    let numbers: [Float] = [1.0001, -2, 0.3, 1e-30, 3]
    try writeFile(
      base,
      [
        TestTensor("m.weight", .f32, [1, 2], numbers: [1, 2]), TestTensor("norm", .f32, [5], numbers: numbers),
        TestTensor("scalar", .f16, [], numbers: [0.1]), TestTensor("none", .f32, [0, 3]),
        TestTensor("steps", .i64, [1], bytes: [1, 2, 3, 4, 5, 6, 7, 8]),
      ])
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        TestTensor("m.lora_A.weight", .f32, [1, 2], numbers: [1, 2]),
        TestTensor("m.lora_B.weight", .f32, [1, 1], numbers: [3]),
      ])
    let output = scratch.file("merged.safetensors")
    try TestMerge(base: base, adapter: adapter, output: output, dtype: .bf16).run()
    let merged = try LoadedFile(output)
    #expect(merged.names == ["m.weight", "norm", "scalar", "none", "steps"])
    #expect(merged.header.tensors.map(\.dtype) == [.bf16, .bf16, .bf16, .bf16, .i64])
    #expect(merged.header.tensors.map(\.shape) == [[1, 2], [5], [], [0, 3], [1]])
    #expect(merged.elements("m.weight") == [4, 8].map { Elements.narrow(Float($0), .bf16) })
    #expect(merged.elements("norm") == numbers.map { Elements.narrow($0, .bf16) })
    let scalar = Elements.widen(Elements.narrow(Float(0.1), .f16), .f16)
    #expect(merged.elements("scalar") == [Elements.narrow(scalar, .bf16)])
    #expect(merged.data("steps") == [1, 2, 3, 4, 5, 6, 7, 8])
  }

  /// The format allows shapes whose products overflow as long as an element count of 0 comes of them.
  @Test func emptyTensorsOfAnyShapeAreConverted() throws {
    let scratch = try Scratch()
    let base = scratch.file("base.safetensors")
    func empty(_ name: String, _ shape: [Int]) -> TestTensor { TestTensor(name, .f32, shape, bytes: []) }
    try writeFile(
      base,
      [
        empty("rows", [1 << 32, 1 << 31, 0]), empty("many", [1 << 40, 0]), empty("early", [0, 1 << 40, 1 << 40]),
        TestTensor("m.weight", .f32, [1, 1], numbers: [1]),
      ])
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        TestTensor("m.lora_A.weight", .f32, [1, 1], numbers: [1]),
        TestTensor("m.lora_B.weight", .f32, [1, 1], numbers: [1]),
      ])
    let output = scratch.file("merged.safetensors")
    try TestMerge(base: base, adapter: adapter, output: output, dtype: .f16).run()
    let merged = try LoadedFile(output)
    #expect(merged.header.tensors.map(\.dtype) == [.f16, .f16, .f16, .f16])
    #expect(
      merged.header.tensors.map(\.shape) == [[1 << 32, 1 << 31, 0], [1 << 40, 0], [0, 1 << 40, 1 << 40], [1, 1]])
  }
}
