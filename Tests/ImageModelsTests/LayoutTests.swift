import ModelNames
import Safetensors
import TestSupport
import Testing

@testable import ImageModels

/// Every tensor of every architecture in another layout, and back, by the tables alone. What diffusers' converters make of the tensors
/// is the measure.
@Suite struct LayoutTests {
  private typealias Tensors = [String: TestTensor]

  private func byName(_ tensors: [TestTensor]) -> Tensors {
    Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
  }

  private func model(_ tensors: some Sequence<TestTensor>, prefix: String) throws -> ImageModel {
    // The second of two text encoders is known as such beside the first.
    let first = prefix == "text_encoder_2/" ? ["encoder.layers.0.self_attn.q_proj", "embeddings.token_embedding"] : []
    let base = NamedShapes(
      first.map { ("text_encoder/text_model.\($0).weight", [2, 2]) } + tensors.map { (prefix + $0.name, $0.shape) })
    return try #require(ImageModel(names: base.shapes.keys.sorted(), in: base))
  }

  /// The tensors of a base with one component in another layout.
  private func respelled(_ tensors: Tensors, prefix: String, in scheme: Component.Scheme) throws -> Tensors {
    let model = try model(tensors.values, prefix: prefix)
    let component = try #require(model.components.firstIndex { $0.prefix == prefix })
    var result: Tensors = [:]
    for parameter in model.parameters(of: component, in: scheme) {
      var bytes: [UInt8] = []
      for run in parameter.runs {
        let tensor = try #require(tensors[String(run.tensor.string.dropFirst(prefix.count))])
        bytes += tensor.bytes(rows: run.rows, isTransposed: parameter.isTransposed)
        #expect(!parameter.isWhole || (tensor.shape == parameter.shape && parameter.runs.count == 1))
      }
      #expect(result[parameter.name] == nil, "\(parameter.name) twice")
      result[parameter.name] = TestTensor(parameter.name, .u32, parameter.shape, bytes: bytes)
    }
    return result
  }

  private func expectSame(_ found: Tensors, _ expected: Tensors, _ comment: Comment) {
    #expect(Set(found.keys) == Set(expected.keys), comment)
    for (name, tensor) in expected {
      guard let other = found[name] else { continue }
      #expect(other.shape == tensor.shape && other.bytes == tensor.bytes, "\(name) \(comment)")
    }
  }

  /// Where the component's tensors are in a file and in a folder.
  private func prefixes(_ names: ImageNames) -> (file: String, folder: String) {
    if ImageNames.encoders.contains(names.name) { return ("conditioner.embedders.1.model.", "text_encoder_2/") }
    return ("model.diffusion_model.", names.isUNet ? "unet/" : "transformer/")
  }

  @Test(arguments: ImageNames.all) func everyRowComesBackFromAFolder(_ names: ImageNames) throws {
    let (file, folder) = prefixes(names)
    let native = byName(names.numbered)
    let converted = byName(names.converted(native))
    let scheme = try model(native.values, prefix: file).components[0].scheme
    let there = try respelled(native, prefix: file, in: .diffusers)
    expectSame(there, converted, "in diffusers' names")
    expectSame(try respelled(there, prefix: folder, in: scheme), native, "in native names again")
  }

  @Test(arguments: ImageNames.all) func everyRowComesBackFromAFile(_ names: ImageNames) throws {
    let (file, folder) = prefixes(names)
    let native = byName(names.numbered)
    let converted = byName(names.converted(native))
    let scheme = try model(native.values, prefix: file).components[0].scheme
    let there = try respelled(converted, prefix: folder, in: scheme)
    expectSame(there, native, "in native names")
    expectSame(try respelled(there, prefix: file, in: .diffusers), converted, "in diffusers' names again")
  }

  /// The third spelling, which ComfyUI has of this model alone.
  @Test func everyRowComesBackFromComfyUI() throws {
    let native = byName(try ImageNames.named("hunyuan-video").numbered)
    let there = try respelled(native, prefix: "", in: .comfyUI)
    #expect(there.keys.contains("double_blocks.0.img_attn.qkv.weight"))
    #expect(there["single_blocks.0.linear1.weight"]?.bytes == native["single_blocks.0.linear1.weight"]?.bytes)
    expectSame(try respelled(there, prefix: "", in: .native), native, "in native names again")
    let own = try respelled(native, prefix: "", in: .native)
    expectSame(own, native, "as they are")
  }

  // MARK: Matching

  /// A file and a folder have every parameter in common, where diffusers' converter says.
  @Test(arguments: ImageNames.all) func filesAndFoldersMatch(_ names: ImageNames) throws {
    let (file, folder) = prefixes(names)
    let (native, converted) = (names.numbered, names.converted(byName(names.numbered)))
    let matching = ParameterMatching(try model(native, prefix: file), try model(converted, prefix: folder))
    #expect(matching.matches.map(\.left.prefix) == [file] && matching.matches.map(\.right.prefix) == [folder])
    #expect(matching.ambiguous.left.isEmpty && matching.ambiguous.right.isEmpty)
    var found: [String: [ImageNames.Run]] = [:]
    for pair in matching.pairs {
      #expect(pair.right.isWhole)
      let name = String(try #require(pair.right.tensor).string.dropFirst(folder.count))
      found[name] = pair.left.runs.map {
        ImageNames.Run(
          tensor: String($0.tensor.string.dropFirst(file.count)), rows: $0.rows,
          isTransposed: pair.left.isTransposed)
      }
    }
    #expect(found == names.places)
    // From the other side, and against itself under another prefix.
    let reversed = ParameterMatching(try model(converted, prefix: folder), try model(native, prefix: file))
    #expect(Set(reversed.pairs.map(\.right)) == Set(matching.pairs.map(\.left)))
    guard !ImageNames.encoders.contains(names.name) else { return }
    let bare = ParameterMatching(try model(native, prefix: ""), try model(native, prefix: file))
    #expect(bare.pairs.count == native.count)
    #expect(
      bare.pairs.allSatisfy { $0.left.isWhole && file + ($0.left.tensor?.string ?? "") == $0.right.tensor?.string })
  }

  /// The VAE: kernels of one element are matrices in a folder.
  @Test func autoencodersMatch() throws {
    let (unet, names) = (try ImageNames.named("sd1"), try ImageNames.autoencoder)
    for (file, folder) in [("first_stage_model.", "vae/"), ("vae.", "vae/")] {
      let native = unet.native.map { ("model.diffusion_model." + $0.name, $0.shape) }
      let converted = unet.diffusers.map { ("unet/" + $0.name, $0.shape) }
      let one = try model(native + names.native.map { (file + $0.name, $0.shape) })
      let other = try model(converted + names.diffusers.map { (folder + $0.name, $0.shape) })
      let matching = ParameterMatching(one, other)
      #expect(matching.matches.map(\.left.prefix) == ["model.diffusion_model.", file])
      #expect(matching.matches.map(\.architecture) == ["SD1", nil])
      var found: [String: [ImageNames.Run]] = [:]
      let shapes = Dictionary(uniqueKeysWithValues: names.diffusers.map { ($0.name, $0.shape) })
      for pair in matching.pairs where pair.right.runs[0].tensor.string.hasPrefix(folder) {
        #expect(pair.left.shape == shapes[pair.right.name] && pair.right.shape == shapes[pair.right.name])
        found[pair.right.name] = pair.left.runs.map {
          ImageNames.Run(tensor: String($0.tensor.string.dropFirst(file.count)), rows: $0.rows)
        }
      }
      #expect(found == names.places)
      // Names of adapters do not lead there.
      #expect(one.components.map(\.kind) == [.diffusionModel] && other.components.map(\.kind) == [.diffusionModel])
      #expect(one.place("decoder.conv_in", .weight) == nil && one.place(file + "decoder.conv_in", .weight) == nil)
      #expect(other.place("vae.decoder.conv_in", .weight) == nil)
      // From a folder into a file, and against itself.
      let reversed = ParameterMatching(other, one)
      #expect(Set(reversed.pairs.map(\.right)) == Set(matching.pairs.map(\.left)))
    }
  }

  private func model(_ tensors: [(String, [Int])]) throws -> ImageModel {
    let base = NamedShapes(tensors.map { (name: $0.0, shape: $0.1) })
    return try #require(ImageModel(names: base.shapes.keys.sorted(), in: base))
  }

  private func named(_ name: String, _ prefix: String, isNative: Bool) throws -> [(String, [Int])] {
    let names = try ImageNames.named(name)
    return (isNative ? names.native : names.diffusers).map { (prefix + $0.name, $0.shape) }
  }

  /// Published and ComfyUI's names of HunyuanVideo are whole tensors of each other.
  @Test func nativeSpellingsMatchAsWholeTensors() throws {
    let native = byName(try ImageNames.named("hunyuan-video").numbered)
    let comfyUI = try respelled(native, prefix: "", in: .comfyUI)
    let matching = ParameterMatching(
      try model(native.values, prefix: "model.diffusion_model."), try model(comfyUI.values, prefix: ""))
    #expect(matching.pairs.count == native.count)
    #expect(matching.pairs.allSatisfy { $0.left.isWhole && $0.right.isWhole })
  }

  @Test func oneOfTwoTransformersIsNotChosen() throws {
    let file = try model(named("wan", "model.diffusion_model.", isNative: true))
    let folder = try model(
      named("wan", "transformer/", isNative: false) + named("wan", "transformer_2/", isNative: false))
    for matching in [ParameterMatching(file, folder), ParameterMatching(folder, file)] {
      #expect(matching.pairs.isEmpty && matching.matches.isEmpty)
      let prefixes = [matching.ambiguous.left.map(\.prefix), matching.ambiguous.right.map(\.prefix)]
      #expect(Set(prefixes) == [["model.diffusion_model."], ["transformer/", "transformer_2/"]])
    }
    // Folders that both have two match one by one.
    let same = ParameterMatching(folder, folder)
    #expect(same.matches.map(\.left) == same.matches.map(\.right) && same.matches.count == 2)
  }

  @Test func otherArchitecturesDoNotMatch() throws {
    let (one, other) = (try model(named("sd1", "", isNative: true)), try model(named("sdxl", "unet/", isNative: false)))
    let matching = ParameterMatching(one, other)
    #expect(matching.pairs.isEmpty && matching.matches.isEmpty && matching.ambiguous.left.isEmpty)
  }

  /// Language models have their layers below `model.` in some versions of transformers.
  @Test func textEncodersMatch() throws {
    let file = try model(
      named("qwen-image", "model.diffusion_model.", isNative: true)
        + [("text_encoders.qwen25_7b.transformer.model.layers.0.mlp.up_proj.weight", [8, 4])])
    let folder = try model(
      named("qwen-image", "transformer/", isNative: false) + [("text_encoder/layers.0.mlp.up_proj.weight", [8, 4])])
    let matching = ParameterMatching(file, folder)
    #expect(matching.matches.map(\.architecture) == ["Qwen-Image", nil])
    #expect(matching.pairs.last?.right.tensor == "text_encoder/layers.0.mlp.up_proj.weight")
  }
}
