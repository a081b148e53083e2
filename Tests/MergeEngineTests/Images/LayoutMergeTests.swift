import Merging
import Safetensors
import TestSupport
import Testing

/// The same adapter merged into a model as a single file and as a folder of diffusers gives the same tensors, bit for bit.
///
/// The two bases are each other's by diffusers' converters (`Fixtures/image/names`), and so are the results, by the same rows: the tables
/// of the program are not asked.
@Suite struct LayoutMergeTests {
  /// Whose names the adapter has.
  enum Spelling: CaseIterable { case native, diffusers }

  private static let filePrefix = "model.diffusion_model."

  /// Numbers of BF16 between 2^-7 and 2^-3.
  private static func base(_ names: ImageNames) -> [TestTensor] {
    var random = SeededGenerator(seed: 7)
    return names.native.map { name, shape in
      let bytes = (0..<shape.reduce(1, *)).flatMap { _ -> [UInt8] in
        let bits = random.next()
        return [
          UInt8(truncatingIfNeeded: bits), 0x3C + UInt8(truncatingIfNeeded: bits >> 8) % 2 | UInt8(bits >> 16 & 0x80),
        ]
      }
      return TestTensor(name, .bf16, shape, bytes: bytes)
    }
  }

  private static func byName(_ tensors: [TestTensor]) -> [String: TestTensor] {
    Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
  }

  private static func write(_ tensors: [TestTensor], prefix: String, to path: String) throws {
    try writeFile(path, tensors.map { TestTensor(prefix + $0.name, $0.dtype, $0.shape, bytes: $0.bytes) })
  }

  /// Writes a folder of diffusers with one part.
  private static func writeFolder(_ tensors: [TestTensor], part: String, in scratch: Scratch) throws {
    try scratch.write(
      #"{"_class_name": "Pipeline", "\#(part)": ["diffusers", "Model"]}"#, to: "folder/model_index.json")
    try scratch.write(#"{"_class_name": "Model"}"#, to: "folder/\(part)/config.json")
    try write(tensors, prefix: "", to: scratch.file("folder/\(part)/diffusion_pytorch_model.safetensors"))
  }

  @Test(arguments: ImageNames.diffusionModels, Spelling.allCases)
  func filesAndFoldersBecomeTheSame(_ names: ImageNames, spelling: Spelling) throws {
    let scratch = try Scratch()
    let part = names.isUNet ? "unet" : "transformer"
    let native = Self.base(names)
    let converted = names.converted(Self.byName(native))
    try Self.write(native, prefix: Self.filePrefix, to: scratch.file("file.safetensors"))
    try Self.writeFolder(converted, part: part, in: scratch)
    var methods: Set<LayoutAdapter.Method> = []
    // Once with a weight. Of a large model, one adapter has each method many times.
    for (first, weight) in names.native.count > 300 ? [(0, -0.5)] : [(0, 1), (6, -0.5)] {
      let adapter = LayoutAdapter(
        spelling == .native ? names.native : names.diffusers,
        prefix: spelling == .native ? "diffusion_model." : part + ".", first: first)
      methods.formUnion(adapter.methods.values)
      let path = scratch.file("adapter\(first).safetensors")
      try writeFile(path, adapter.tensors)
      for (base, ending) in [("file", ".safetensors"), ("folder", "")] {
        try MergeRequest.merge(
          scratch.file(base + ending), [(path, weight)], to: scratch.file("\(base)\(first)\(ending)"))
      }
      let file = try readTensors(scratch.file("file\(first).safetensors")).map {
        TestTensor(String($0.name.dropFirst(Self.filePrefix.count)), $0.dtype, $0.shape, bytes: $0.bytes)
      }
      let found = Self.byName(try readTensors(scratch.file("folder\(first)/\(part)")))
      #expect(found.count == converted.count && file.count == native.count)
      let (before, whole) = (Self.byName(converted), Self.byName(file))
      for expected in names.converted(whole) {
        let tensor = try #require(found[expected.name])
        #expect(tensor.dtype == expected.dtype && tensor.shape == expected.shape, "\(expected.name)")
        if tensor.bytes != expected.bytes {
          let source = spelling == .native ? names.places[expected.name]?.first?.tensor ?? "" : expected.name
          let method = adapter.methods[source].map { "\($0)" } ?? "a difference"
          Issue.record("\(expected.name) is different, changed by \(method) with the weight \(weight)")
        }
        // The adapter has something for every parameter.
        #expect(tensor.bytes != before[expected.name]?.bytes, "\(expected.name)")
      }
      for tensor in native { #expect(whole[tensor.name]?.bytes != tensor.bytes, "\(tensor.name)") }
    }
    #expect(methods.count >= LayoutAdapter.Method.allCases.count - 2)
  }

  /// The second text encoder of SDXL, which files have in OpenCLIP's names: fused parameters that are no module's weight, and a
  /// projection with rows and columns exchanged, which only sums change.
  @Test(arguments: [(0, 1), (5, -0.5)]) func textEncodersBecomeTheSame(first: Int, weight: Double) throws {
    let scratch = try Scratch()
    let clip = try ImageNames.named("open-clip")
    let native = Self.base(clip)
    let converted = clip.converted(Self.byName(native))
    let prefix = "conditioner.embedders.1.model."
    let model = TestTensor("layer.weight", .bf16, [2, 2])
    try writeFile(
      scratch.file("file.safetensors"),
      [TestTensor(Self.filePrefix + model.name, model.dtype, model.shape, bytes: model.bytes)]
        + native.map { TestTensor(prefix + $0.name, $0.dtype, $0.shape, bytes: $0.bytes) })
    try Self.writeFolder([model], part: "unet", in: scratch)
    let encoders = #""text_encoder": ["transformers", "C"], "text_encoder_2": ["transformers", "C"]"#
    try scratch.write(
      #"{"_class_name": "Pipeline", "unet": ["diffusers", "Model"], \#(encoders)}"#, to: "folder/model_index.json")
    for part in ["text_encoder", "text_encoder_2"] {
      try scratch.write("{}", to: "folder/\(part)/config.json")
      // Beside a first one, which is CLIP-L, the second one is CLIP-G.
      try Self.write(converted, prefix: "", to: scratch.file("folder/\(part)/model.safetensors"))
    }
    let adapter = LayoutAdapter(
      clip.diffusers, prefix: "text_encoder_2.", first: first, onlySums: ["text_projection.weight"])
    try writeFile(scratch.file("adapter.safetensors"), adapter.tensors)
    for (base, output) in [("file.safetensors", "merged.safetensors"), ("folder", "merged")] {
      try MergeRequest.merge(
        scratch.file(base), [(scratch.file("adapter.safetensors"), weight)], to: scratch.file(output))
    }
    let file = try readTensors(scratch.file("merged.safetensors")).filter { $0.name.hasPrefix(prefix) }.map {
      TestTensor(String($0.name.dropFirst(prefix.count)), $0.dtype, $0.shape, bytes: $0.bytes)
    }
    let found = Self.byName(try readTensors(scratch.file("merged/text_encoder_2")))
    let before = Self.byName(converted)
    for expected in clip.converted(Self.byName(file)) {
      let method = adapter.methods[expected.name].map { "\($0)" } ?? "a difference"
      #expect(found[expected.name]?.bytes == expected.bytes, "\(expected.name) by \(method)")
      #expect(expected.bytes != before[expected.name]?.bytes, "\(expected.name) by \(method)")
    }
  }
}
