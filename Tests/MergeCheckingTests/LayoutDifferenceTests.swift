import Safetensors
import TestSupport
import Testing

@testable import Inspection

/// How a model differs from itself in another layout: a single file, a folder of diffusers, other beginnings of the names.
@Suite struct LayoutDifferenceTests {
  private static let filePrefix = "model.diffusion_model."

  private static func byName(_ tensors: [TestTensor]) -> [String: TestTensor] {
    Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
  }

  /// The tensors as I32, whose elements are compared by their bytes, or with another dtype of four bytes.
  private static func numbered(_ names: ImageNames, _ dtype: DType = .i32) -> [TestTensor] {
    names.numbered.map { TestTensor($0.name, dtype, $0.shape, bytes: $0.bytes) }
  }

  private static func write(_ tensors: [TestTensor], prefix: String = "", to path: String) throws {
    try writeFile(path, tensors.map { TestTensor(prefix + $0.name, $0.dtype, $0.shape, bytes: $0.bytes) })
  }

  private func folder(_ parts: [String: [TestTensor]], in scratch: Scratch, as name: String = "folder") throws -> String
  {
    let members = parts.keys.sorted().map { #""\#($0)": ["diffusers", "Model"]"# }
    try scratch.write(
      #"{"_class_name": "Pipeline", \#(members.joined(separator: ", "))}"#, to: "\(name)/model_index.json")
    for (part, tensors) in parts {
      try scratch.write("{}", to: "\(name)/\(part)/config.json")
      let file = part.hasPrefix("text_encoder") ? "model" : "diffusion_pytorch_model"
      try Self.write(tensors, to: scratch.file("\(name)/\(part)/\(file).safetensors"))
    }
    return scratch.file(name)
  }

  private func difference(_ left: String, _ right: String, data: Bool = true) throws -> ModelDifference {
    var options = ModelDifference.Options(workers: 2)
    options.readsData = data
    return try ModelDifference(left, right, options: options)
  }

  private func part(_ names: ImageNames) -> String { names.isUNet ? "unet" : "transformer" }

  /// Nothing differs, and after one byte of a file's tensor changed, the parameter differs that has the row.
  @Test(arguments: ImageNames.diffusionModels) func filesAndFoldersAreCompared(_ names: ImageNames) throws {
    let scratch = try Scratch()
    var native = Self.numbered(names)
    let file = scratch.file("a.safetensors")
    try Self.write(native, prefix: Self.filePrefix, to: file)
    let part = part(names)
    let folder = try folder([part: names.converted(Self.byName(native))], in: scratch)
    let same = try difference(file, folder)
    #expect(same.isDifferent == false)
    #expect(same.tensors.count == names.diffusers.count)
    #expect(same.tensors.allSatisfy { $0.isRespelled && $0.values?.hasOtherBytes == false })
    #expect(same.spelling?.matches.map(\.left) == [Self.filePrefix])
    #expect(same.spelling?.matches.map(\.right) == [part + "/"])
    // In the last row of the largest tensor.
    let number = try #require(native.indices.max { native[$0].bytes.count < native[$1].bytes.count })
    var bytes = native[number].bytes
    bytes[bytes.count - 1] ^= 1
    native[number] = TestTensor(native[number].name, .i32, native[number].shape, bytes: bytes)
    try Self.write(native, prefix: Self.filePrefix, to: file)
    let (target, rowCount) = (native[number].name, native[number].shape[0])
    let changed = try #require(
      names.places.first { place in
        place.value.contains { $0.tensor == target && $0.rows.upperBound == rowCount }
      })
    for reverses in [false, true] {
      let found = try reverses ? difference(folder, file) : difference(file, folder)
      let different = found.tensors.filter(\.isDifferent)
      #expect(different.count == 1)
      let tensor = try #require(different.first)
      let (mine, theirs) = reverses ? (tensor.right, tensor.left) : (tensor.left, tensor.right)
      #expect(tensor.values?.changedCount == 1)
      #expect(mine?.name.string == Self.filePrefix + target)
      #expect(theirs?.name.string == "\(part)/\(changed.key)" && theirs?.rows == nil)
      let rows = changed.value.map(\.rows)
      #expect(mine?.rows == (rows == [0..<rowCount] ? nil : rows))
    }
  }

  @Test func beginningsOfNamesDoNotMatter() throws {
    let scratch = try Scratch()
    let native = Self.numbered(try ImageNames.named("flux1"))
    let (one, other) = (scratch.file("a.safetensors"), scratch.file("b.safetensors"))
    try Self.write(native, to: one)
    try Self.write(native + [TestTensor("vae.x", .f32, [1])], prefix: Self.filePrefix, to: other)
    let found = try difference(one, other)
    #expect(found.tensors.count { $0.isRespelled } == native.count)
    #expect(found.tensors.filter(\.isDifferent).map(\.name.string) == [Self.filePrefix + "vae.x"])
    // An unknown architecture has names of its own.
    let unknown = [TestTensor("layer.3.weight", .f32, [2, 2]), TestTensor("some.bias", .f32, [2])]
    try Self.write(unknown, prefix: "diffusion_model.", to: one)
    try Self.write(unknown, prefix: Self.filePrefix, to: other)
    #expect(try difference(one, other).isDifferent == false)
  }

  /// OpenCLIP: fused parameters that are no module's weight, and a projection with rows and columns exchanged.
  @Test(arguments: [DType.f32, .bf16]) func textEncodersAreCompared(dtype: DType) throws {
    let scratch = try Scratch()
    let (unet, clip) = (try ImageNames.named("sdxl"), try ImageNames.named("open-clip"))
    var random = SeededGenerator(seed: 1)
    let encoder = clip.native.map { name, shape in
      // A BF16 and the high half of an F32 of this sign and exponent are numbers around 1.
      let count = shape.reduce(1, *) * dtype.bitCount / 16
      let bytes: [UInt8] = (0..<count).flatMap { _ -> [UInt8] in [UInt8(truncatingIfNeeded: random.next()), 0x3F] }
      return TestTensor(name, dtype, shape, bytes: bytes)
    }
    let file = scratch.file("a.safetensors")
    func all(_ encoder: [TestTensor]) -> [TestTensor] {
      Self.numbered(unet).map { TestTensor(Self.filePrefix + $0.name, $0.dtype, $0.shape, bytes: $0.bytes) }
        + encoder.map {
          TestTensor("conditioner.embedders.1.model." + $0.name, $0.dtype, $0.shape, bytes: $0.bytes)
        } + [TestTensor("first_stage_model.decoder.x", .f32, [2])]
    }
    try Self.write(all(encoder), to: file)
    let clipL = [
      TestTensor("text_model.encoder.layers.0.self_attn.q_proj.weight", .f32, [2, 2]),
      TestTensor("text_model.embeddings.token_embedding.weight", .f32, [2, 2]),
    ]
    var converted = clip.converted(Self.byName(encoder))
    let parts = ["unet": unet.converted(Self.byName(Self.numbered(unet))), "text_encoder": clipL]
    let folder = try folder(parts.merging(["text_encoder_2": converted]) { one, _ in one }, in: scratch)
    let same: ModelDifference = try difference(file, folder)
    #expect(
      same.tensors.filter(\.isDifferent).map(\.name.string) == [
        "first_stage_model.decoder.x", "text_encoder/text_model.embeddings.token_embedding.weight",
        "text_encoder/text_model.encoder.layers.0.self_attn.q_proj.weight",
      ])
    #expect(same.spelling?.matches.map(\.architecture) == ["SDXL", nil])
    // One number of the projection, which is elsewhere in the file.
    let place = try #require(converted.firstIndex { $0.name == "text_projection.weight" })
    var bytes = converted[place].bytes
    bytes[bytes.count / 2 + dtype.bitCount / 8 - 1] ^= 0x80
    converted[place] = TestTensor("text_projection.weight", dtype, converted[place].shape, bytes: bytes)
    _ = try self.folder(parts.merging(["text_encoder_2": converted]) { one, _ in one }, in: scratch)
    let other = try difference(file, folder)
    let tensor = try #require(other.tensors.first { ($0.values?.changedCount ?? 0) > 0 })
    #expect(tensor.left?.name == "conditioner.embedders.1.model.text_projection" && tensor.left?.isTransposed == true)
    #expect(tensor.right?.name == "text_encoder_2/text_projection.weight")
    #expect(tensor.values?.changedCount == 1 && (tensor.values?.largest ?? 0) >= 1)
    #expect(other.tensors.count { $0.isDifferent } == same.tensors.count { $0.isDifferent } + 1)
  }

  /// The VAE's projections are kernels of one element in the file, and matrices in the folder.
  @Test func autoencodersAreCompared() throws {
    let scratch = try Scratch()
    let (unet, vae) = (Self.numbered(try ImageNames.named("sd1")), Self.numbered(try ImageNames.autoencoder))
    func prefixed(_ prefix: String, _ tensors: [TestTensor]) -> [TestTensor] {
      tensors.map { TestTensor(prefix + $0.name, $0.dtype, $0.shape, bytes: $0.bytes) }
    }
    let file = scratch.file("a.safetensors")
    try Self.write(prefixed(Self.filePrefix, unet) + prefixed("first_stage_model.", vae), to: file)
    var converted = try ImageNames.autoencoder.converted(Self.byName(vae))
    let unetParts = try ImageNames.named("sd1").converted(Self.byName(unet))
    #expect(try difference(file, folder(["unet": unetParts, "vae": converted], in: scratch)).isDifferent == false)
    let name = "decoder.mid_block.attentions.0.to_v.weight"
    let place = try #require(converted.firstIndex { $0.name == name })
    var bytes = converted[place].bytes
    bytes[4] ^= 1
    converted[place] = TestTensor(name, .i32, converted[place].shape, bytes: bytes)
    let found = try difference(file, folder(["unet": unetParts, "vae": converted], in: scratch, as: "other"))
    let different = found.tensors.filter(\.isDifferent)
    #expect(different.map(\.left?.name) == ["first_stage_model.decoder.mid.attn_1.v.weight"])
    #expect(different.map(\.right?.name.string) == ["vae/" + name])
    #expect(different.first?.values?.changedCount == 1)
  }

  /// Rows without a counterpart are named, and so is what is of another shape.
  @Test func whatOneSideLacksIsNamed() throws {
    let scratch = try Scratch()
    let names = try ImageNames.named("flux1")
    let native = Self.numbered(names)
    var converted = names.converted(Self.byName(native))
    converted.removeAll { $0.name == "transformer_blocks.0.attn.to_k.weight" }
    let place = try #require(converted.firstIndex { $0.name == "transformer_blocks.0.attn.to_v.weight" })
    converted[place] = TestTensor(converted[place].name, .i32, [8, 16])
    converted.append(TestTensor("more.weight", .i32, [1]))
    let file = scratch.file("a.safetensors")
    try Self.write(native, to: file)
    let found = try difference(file, folder(["transformer": converted], in: scratch), data: false)
    #expect(found.comparesValues == false)
    let different = found.tensors.filter(\.isDifferent)
    let qkv = "double_blocks.0.img_attn.qkv.weight"
    #expect(different.map(\.name.string) == [qkv, qkv, "transformer/more.weight"])
    #expect(different.map(\.left?.rows) == [[16..<32], [32..<48], nil])
    #expect(different.map { $0.right == nil } == [true, false, false])
    #expect(different[1].left?.shape == [16, 16] && different[1].right?.shape == [8, 16])
  }

  @Test func partsThatMayBeEitherAreSaid() throws {
    let scratch = try Scratch()
    let names = try ImageNames.named("wan")
    let native = Self.numbered(names)
    let converted = names.converted(Self.byName(native))
    try Self.write(native, to: scratch.file("a.safetensors"))
    let folder = try folder(["transformer": converted, "transformer_2": converted], in: scratch)
    let found = try difference(scratch.file("a.safetensors"), folder)
    #expect(found.spelling?.ambiguousLeft == [""])
    #expect(found.spelling?.ambiguousRight == ["transformer/", "transformer_2/"])
    #expect(found.tensors.allSatisfy { $0.left == nil || $0.right == nil })
    // Its folder says which one is meant.
    #expect(try difference(scratch.file("a.safetensors"), folder + "/transformer_2").isDifferent == false)
  }

  // MARK: Blocks

  /// The elements of a part, by their places in the tensor, in the part's order.
  private func places(_ part: ModelDifference.Part) -> [Int] {
    let rows = part.isTransposed ? part.shape[1] : part.shape[0]
    let length = part.elementCount / rows
    let all = (part.rows ?? [0..<rows]).flatMap { $0 }.flatMap { row in (0..<length).map { row * length + $0 } }
    guard part.isTransposed else { return all }
    return (0..<length).flatMap { column in (0..<rows).map { all[$0 * length + column] } }
  }

  private func places(_ block: ElementBlock) -> [Int] {
    let all = (0..<block.rowCount).map { row in (0..<block.columnCount).map { block.first + row * block.stride + $0 } }
    guard block.isTransposed else { return all.flatMap { $0 } }
    return (0..<block.columnCount).flatMap { column in all.map { $0[column] } }
  }

  /// Blocks of every size are all pairs of elements of two parts, each once.
  @Test(arguments: [1, 3, 4, 7, 1000]) func blocksAreAllElements(elementCount: Int) throws {
    func part(_ shape: [Int], _ rows: [Range<Int>]?, isTransposed: Bool = false) -> ModelDifference.Part {
      ModelDifference.Part(name: "a", dtype: .f32, shape: shape, rows: rows, isTransposed: isTransposed)
    }
    let parts = [
      part([6, 5], nil), part([6, 5], [3..<6, 0..<3]), part([6, 5], [1..<2, 4..<9]), part([6, 5], [0..<0, 10..<16]),
      part([6, 5], nil, isTransposed: true), part([6, 5], [2..<7], isTransposed: true),
    ]
    for one in parts {
      for other in parts {
        let blocks = ElementBlock.pairs(one, other, elementCount: elementCount)
        #expect(blocks.allSatisfy { $0.left.count == $0.right.count && $0.left.count <= max(1, elementCount) })
        let found = blocks.flatMap { zip(places($0.left), places($0.right)) }
        let expected = zip(places(one), places(other))
        #expect(found.sorted { $0 < $1 }.elementsEqual(expected.sorted { $0 < $1 }, by: ==))
      }
    }
  }
}
