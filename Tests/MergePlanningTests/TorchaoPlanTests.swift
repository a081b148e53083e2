import Adapters
import Checkpoints
import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// torchao's tensors are what the metadata of their files says, and nothing else.
@Suite struct TorchaoPlanTests {
  private static let prefix = "m.proj._weight_"
  private static let names = #"["m.proj.weight"]"#

  private static func description(
    _ type: String = "Int8Tensor", block: String = "[1, 10]", parts: [String] = ["qdata", "scale", "zero_point"],
    dtype: String = "bfloat16"
  ) -> String {
    let list = parts.map { "\"\($0)\"" }.joined(separator: ", ")
    return #"{"_type": "\#(type)", "_data": {"block_size": \#(block), "dtype": "#
      + #"{"_type": "torch.dtype", "_data": "\#(dtype)"}}, "_tensor_data_names": [\#(list)]}"#
  }

  private static func tensors(
    codes: DType = .i8, scales: [Int] = [6, 1], zeros: DType = .i8, without: String = "", more: [TestTensor] = []
  ) -> [TestTensor] {
    let all = [
      TestTensor(prefix + "qdata", codes, [6, 10]), TestTensor(prefix + "scale", .f32, scales),
      TestTensor(prefix + "zero_point", zeros, scales), TestTensor("norm.weight", .bf16, [10]),
    ]
    return all.filter { $0.name != prefix + without } + more
  }

  private func plan(
    _ tensors: [TestTensor], _ description: String?, other: String? = nil, _ options: MergeOptions = MergeOptions()
  ) throws -> MergePlan {
    let scratch = try Scratch()
    let path = try scratch.folder("base")
    var metadata: [SafetensorsHeader.MetadataEntry] = [
      .init(key: "format", value: "pt"), .init(key: "tensor_names", value: Self.names),
      .init(key: "norm.weight", value: #"{"_type": "Tensor"}"#),
    ]
    if let description { metadata.append(.init(key: "m.proj.weight", value: description)) }
    if let other {
      // The scales lie in a file of their own.
      let isScale = { (tensor: TestTensor) in tensor.name.hasSuffix("_scale") }
      let shards = [
        ("model-1.safetensors", tensors.filter { !isScale($0) }, metadata),
        (
          "model-2.safetensors", tensors.filter(isScale),
          metadata.map { $0.key == "m.proj.weight" ? .init(key: $0.key, value: other) : $0 }
        ),
      ]
      for (name, tensors, metadata) in shards { try write(path + "/" + name, tensors, metadata) }
      try writeIndex(path, shards.map { ($0.0, $0.1) })
    } else {
      try write(path + "/model.safetensors", tensors, metadata)
    }
    try scratch.write(#"{"quantization_config": {"quant_method": "torchao"}}"#, to: "base/config.json")
    return try makePlan(
      base: path, loraLayer("m.proj", rows: 6, columns: 10), in: scratch, alpha: "2", options: options)
  }

  private func write(
    _ path: String, _ tensors: [TestTensor], _ metadata: [SafetensorsHeader.MetadataEntry]
  ) throws {
    let encoder = try HeaderEncoder(
      path: path, metadata: metadata,
      tensors: tensors.map { try HeaderEncoder.Tensor(name: TensorName($0.name), dtype: $0.dtype, shape: $0.shape) })
    try TestSupport.write(
      encoder.bytes + [UInt8](repeating: 0, count: encoder.fileByteCount - encoder.bytes.count), to: path)
  }

  private func refusal(_ tensors: [TestTensor], _ description: String?, other: String? = nil) -> String? {
    TestSupport.refusal { _ = try plan(tensors, description, other: other) }?.message
  }

  private func header(_ shard: MergePlan.Shard) throws -> [SafetensorsHeader.MetadataEntry] {
    let scratch = try Scratch()
    let zeros = [UInt8](repeating: 0, count: shard.fileByteCount - shard.headerBytes.count)
    try TestSupport.write(shard.headerBytes + zeros, to: scratch.file("header"))
    return try SafetensorsHeader(path: scratch.file("header")).metadata ?? []
  }

  @Test func integersWithZerosAreTaken() throws {
    let plan = try plan(Self.tensors(), Self.description())
    let tensor = try #require(plan.shards[0].tensors.first { $0.name.string == "m.proj.weight" })
    guard case .codes(let weight, _) = tensor.content.weight, case .integers(let grid, _) = weight.format else {
      Issue.record("\(tensor.content)")
      return
    }
    #expect(grid == QuantizedWeight.Grid(blockRows: 1, blockColumns: 10, rows: 6, columns: 10))
    #expect(tensor.outputDType == .bf16)
    #expect(Set(plan.shards[0].tensors.map(\.name.string)) == ["m.proj.weight", "norm.weight"])
  }

  /// The result's metadata says that the weight is numbers, in every file that has it.
  @Test func metadataFollows() throws {
    let plan = try plan(Self.tensors(), Self.description(), other: Self.description())
    #expect(plan.shards.count == 2)
    for shard in plan.shards {
      let entries = try header(shard)
      #expect(entries.first { $0.key == "m.proj.weight" }?.value == #"{"_type": "Tensor"}"#)
      #expect(entries.first { $0.key == "tensor_names" }?.value == Self.names)
      #expect(entries.first { $0.key == "norm.weight" }?.value == #"{"_type": "Tensor"}"#)
    }
  }

  @Test(arguments: ["Int4Tensor", "Int4TilePackedTo4dTensor", "Int4PlainInt32Tensor", "MXTensor", "NVFP4Tensor", "X"])
  func otherClassesAreRefused(type: String) {
    let message = refusal(Self.tensors(), Self.description(type))
    #expect(message?.contains("torchao, \(type)") == true, "\(message ?? "")")
  }

  @Test func whatTheMetadataDoesNotSayIsRefused() {
    #expect(refusal(Self.tensors(), nil)?.contains("no metadata") == true)
    #expect(refusal(Self.tensors(), "{\"_type\": \"Int8Tensor\"}")?.contains("not understood") == true)
    #expect(refusal(Self.tensors(), Self.description(parts: ["qdata", "scale"]))?.contains("zero_point") == true)
    #expect(refusal(Self.tensors(), Self.description(), other: Self.description("X"))?.contains("another file") == true)
    #expect(refusal(Self.tensors(), Self.description(dtype: "float64"))?.contains("dtype") == true)
  }

  @Test func nothingIsWrittenInTheFormatAgain() throws {
    var options = MergeOptions()
    options.requantizes = true
    let error = #expect(throws: PlanError.self) { try plan(Self.tensors(), Self.description(), options) }
    #expect(error?.problem == .requantizing("torchao"))
  }

  @Test(arguments: ["qdata", "scale", "zero_point"])
  func missingPartsAreRefused(part: String) {
    let message = refusal(Self.tensors(without: part), Self.description())
    #expect(message?.contains("the base has no \(Self.prefix)\(part)") == true, "\(message ?? "")")
  }

  @Test func whatDoesNotFitIsRefused() {
    #expect(refusal(Self.tensors(scales: [3, 1]), Self.description())?.contains("F32 [3, 1]") == true)
    #expect(refusal(Self.tensors(scales: [6, 3]), Self.description(block: "[1, 4]"))?.contains("[1, 4]") == true)
    #expect(refusal(Self.tensors(), Self.description(block: "[1, 0]")) != nil)
    #expect(refusal(Self.tensors(), Self.description(block: "[]")) != nil)
    #expect(refusal(Self.tensors(codes: .u8), Self.description())?.contains("U8") == true)
    #expect(refusal(Self.tensors(zeros: .f16), Self.description())?.contains("F16") == true)
    let parts = ["qdata", "scale", "zero_point"]
    let scaled = Self.tensors(more: [TestTensor(Self.prefix + "act_pre_scale", .f32, [10])])
    #expect(refusal(scaled, Self.description(parts: parts + ["act_pre_scale"]))?.contains("act_pre_scale") == true)
    let twice = Self.tensors(more: [TestTensor("m.proj.weight", .bf16, [6, 10])])
    #expect(refusal(twice, Self.description())?.contains("beside its codes") == true)
  }
}
