import Foundation
import Safetensors
import TestSupport
import Testing

/// `safemerge ls` of adapters that are one file and of image models, against facts that a Python script read from the files.
@Suite struct ImageListingTests {
  private static let cases = fixturesPath() + "/image/cases/"
  private static let samples = fixturesPath() + "/image/listing/"

  /// `Fixtures/image/listing/facts.json`.
  private struct Facts: Decodable {
    struct Adapter: Decodable {
      let methods: [String: Int]
      let parts: [String: Int]
      let ranks: [[Int?]]
      let alphas: [[Double?]]?
      let dtypes: [String: [Int]]
      let bytes: Int
      let base: String
    }

    struct Base: Decodable {
      let architecture: String
      let parts: [String: [Int]]?
    }

    let adapters: [String: Adapter]
    let bases: [String: Base]

    init() throws {
      self = try JSONDecoder().decode(
        Self.self, from: Data(contents(fixturesPath() + "/image/listing/facts.json")))
    }
  }

  /// What `ls --format json` prints, as far as the tests look at it.
  private struct Document: Decodable {
    struct File: Decodable {
      struct Method: Decodable {
        let name: String
        let modules: Int
      }
      struct Part: Decodable {
        let name: String
        let textEncoder: Bool
        let modules: Int
      }
      struct Rank: Decodable {
        let rank: Int?
        let modules: Int
      }
      struct Alpha: Decodable {
        let alpha: Double?
        let modules: Int
      }
      struct DType: Decodable {
        let dtype: String
        let tensors: Int
        let bytes: Int
      }
      struct Tag: Decodable {
        let name: String
        let count: Int
      }
      struct Hash: Decodable {
        let key: String
        let value: String
        let of: String
      }
      struct BaseModel: Decodable {
        let name: String?
        let version: String?
        let architecture: String?
      }
      let dialect: String
      let methods: [Method]
      let architectures: [String]
      let namedModules: Int
      let parts: [Part]
      let ranks: [Rank]
      let alphas: [Alpha]
      let dtypes: [DType]
      let bytes: Int
      let baseModel: BaseModel
      let title: String?
      let triggerPhrase: String?
      let tags: [Tag]
      let tagCount: Int
      let training: [String: String?]
      let hashes: [Hash]
    }
    struct Fit: Decodable {
      let architecture: String?
      let fits: Bool
      let modules: Int
      let missingModules: [String]?
    }
    struct Adapter: Decodable {
      struct Module: Decodable {
        let module: String
        let baseTensors: [String]?
      }
      let path: String
      let modules: [Module]
      let file: File?
      let base: Fit?
    }
    struct Image: Decodable {
      struct Part: Decodable {
        let name: String
        let kind: String?
        let tensors: Int
        let bytes: Int
        let dtypes: [String]
      }
      struct FP8: Decodable {
        let scales: String?
        let weights: Int
      }
      let architecture: String?
      let parts: [Part]
      let fp8: [FP8]
      let modelspec: [String: String?]
      let hashes: [File.Hash]
    }
    struct Model: Decodable {
      let path: String
      let image: Image?
    }

    let adapters: [Adapter]?
    let models: [Model]?
  }

  private func list(_ arguments: [String], status: Int32 = 0) throws -> (document: Document, result: Program.Result) {
    let result = try Program.run(["ls", "--format", "json"] + arguments)
    #expect(result.status == status, "\(result.messages)")
    // An error is an object of its own before the document.
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return (try decoder.decode(Document.self, from: Data((result.lines.last ?? "").utf8)), result)
  }

  // MARK: Facts

  @Test func adaptersAreWhatTheirFilesHold() throws {
    let facts = try Facts().adapters
    let names = facts.keys.sorted()
    #expect(names.count > 120)
    let (document, result) = try list(names.map { Self.cases + $0 })
    #expect(result.errors == [], "\(result.messages)")
    #expect(document.models == nil)
    let found = try #require(document.adapters)
    #expect(found.map(\.path) == names.map { Self.cases + $0 })
    for (name, adapter) in zip(names, found) {
      let expected = try #require(facts[name])
      let file = try #require(adapter.file, "\(name)")
      #expect(Dictionary(file.methods.map { ($0.name, $0.modules) }) { $0 + $1 } == expected.methods, "\(name)")
      #expect(Dictionary(file.parts.map { ($0.name, $0.modules) }) { $0 + $1 } == expected.parts, "\(name)")
      #expect(Set(file.ranks.map { [$0.rank, $0.modules] }) == Set(expected.ranks), "\(name)")
      if let alphas = expected.alphas {
        #expect(Set(file.alphas.map { [$0.alpha, Double($0.modules)] }) == Set(alphas), "\(name)")
      }
      #expect(
        Dictionary(file.dtypes.map { ($0.dtype, [$0.tensors, $0.bytes]) }) { one, _ in one } == expected.dtypes,
        "\(name)")
      #expect(file.bytes == expected.bytes)
      let diffusion = file.parts.filter { !$0.textEncoder }.reduce(0) { $0 + $1.modules }
      #expect(file.architectures.contains(expected.base) || diffusion == 0, "\(name): \(file.architectures)")
      #expect(file.namedModules == diffusion, "\(name)")
      #expect(adapter.base == nil && !file.dialect.isEmpty)
    }
  }

  @Test func basesAreWhatTheirFilesHold() throws {
    let facts = try Facts().bases
    let names = facts.keys.sorted()
    let (document, _) = try list(names.map { Self.cases + "bases/" + $0 })
    #expect(document.adapters == nil)
    let found = try #require(document.models)
    #expect(found.count == names.count && names.count > 35)
    for (name, model) in zip(names, found) {
      let expected = try #require(facts[name])
      let image = try #require(model.image, "\(name)")
      #expect(image.architecture == expected.architecture, "\(name)")
      if let parts = expected.parts {
        #expect(
          Dictionary(image.parts.map { ($0.name, [$0.tensors, $0.bytes]) }) { one, _ in one } == parts, "\(name)")
      }
      #expect(image.parts.first?.kind == "diffusion model", "\(name)")
      #expect(image.fp8.isEmpty != name.contains("fp8"), "\(name)")
    }
    let schemes = Dictionary(zip(names, found).map { ($0, $1.image?.fp8.first) }) { one, _ in one }
    #expect(schemes["flux-fp8-scaled.safetensors"]??.scales == "scale_weight")
    #expect(schemes["flux-fp8-comfy-quant.safetensors"]??.scales == "weight_scale, comfy_quant")
    #expect(schemes["chroma-fp8-metadata.safetensors"]??.scales == "weight_scale, _quantization_metadata")
    let plain = try #require(schemes["chroma-fp8.safetensors"] ?? nil)
    #expect(plain.scales == nil && plain.weights == 20)
    let sdxl = try #require(zip(names, found).first { $0.0 == "sdxl-bf16.safetensors" }?.1.image)
    #expect(sdxl.parts.map(\.name) == ["unet", "te1", "te2", "vae", "other"])
    #expect(sdxl.parts.map(\.kind) == ["diffusion model", "CLIP-L", "CLIP-G", nil, nil])
    #expect(sdxl.modelspec["title"] == "tiny" && sdxl.hashes.map(\.key) == ["modelspec.hash_sha256"])
  }

  // MARK: Metadata

  @Test func trainingFactsAreShown() throws {
    let kohya = try #require(try list([Self.samples + "kohya.safetensors"]).document.adapters?.first?.file)
    #expect(kohya.dialect == "kohya" && kohya.title == "my_style" && kohya.triggerPhrase == "ohwx style")
    #expect(kohya.baseModel.name == "sdxl-tiny.safetensors" && kohya.baseModel.version == "sdxl_base_v1-0")
    #expect(kohya.baseModel.architecture == "stable-diffusion-xl-v1-base/lora")
    #expect(kohya.tags.map(\.name) == ["ohwx", "solo", "outdoors"] && kohya.tags.map(\.count) == [36, 24, 7])
    #expect(kohya.tagCount == 3)
    for (key, value) in [
      ("steps", "1200"), ("epochs", "10"), ("learning_rate", "0.0004"), ("unet_learning_rate", "0.0003"),
      ("text_encoder_learning_rate", "5e-05"), ("resolution", "(1024, 1024)"), ("images", "360"), ("network_dim", "2"),
      ("network_alpha", "1.0"), ("network_module", "networks.lora"), ("date", "2024-05-31"),
      ("prediction_type", "epsilon"),
      ("network_args", "{\"conv_dim\": \"2\", \"conv_alpha\": \"1\"}"),
    ] { #expect(kohya.training[key] == value, "\(key)") }
    #expect(kohya.hashes.map(\.key) == ["sshs_model_hash", "sshs_legacy_hash", "ss_new_sd_model_hash"])
    #expect(kohya.hashes[0].of == "SHA-256 of the data without the header")

    let text = try Program.run(["ls", Self.samples + "kohya.safetensors"])
    for line in [
      "method    LoRA in 3 modules", "dialect   kohya", "model     SDXL, by the names of its modules",
      "parts     unet 1 module, te1 1 module, te2 1 module", "rank      2", "alpha     1", "dtype     F32 9 tensors",
      "base      sdxl-tiny.safetensors; sdxl_base_v1-0; stable-diffusion-xl-v1-base/lora", "trigger   ohwx style",
      "tags      ohwx (36), solo (24), outdoors (7)", "author    someone, license CC-BY-4.0",
    ] { #expect(text.lines.contains(line), "\(line)\n\(text.text)") }
    let summary = try Program.run(["ls", "--summary", Self.samples + "kohya.safetensors"])
    #expect(summary.lines.contains("  trigger  ohwx style"), "\(summary.text)")
    #expect(!summary.text.contains("metadata"))

    let toolkit = try #require(try list([Self.samples + "ai-toolkit.safetensors"]).document.adapters?.first?.file)
    #expect(toolkit.dialect == "diffusers" && toolkit.architectures.first == "FLUX.1")
    #expect(toolkit.training["steps"] == "2000" && toolkit.training["epochs"] == "4")
    #expect(toolkit.training["software"] == "ai-toolkit" && toolkit.baseModel.version == "flux1")
    #expect(toolkit.alphas.map(\.alpha) == [nil] && toolkit.ranks.map(\.rank) == [4])
  }

  /// Metadata of strangers is bounded, and nothing of it reaches the terminal raw.
  @Test func hostileMetadataIsHarmless() throws {
    let scratch = try Scratch()
    let path = scratch.file("adapter.safetensors")
    let tensors = [
      TestTensor("lora_unet_conv_in.lora_down.weight", .f32, [1, 4]),
      TestTensor("lora_unet_conv_in.lora_up.weight", .f32, [4, 1]),
    ]
    func metadata(_ entries: [String: String]) throws -> String {
      String(decoding: try JSONSerialization.data(withJSONObject: entries), as: UTF8.self)
    }
    let many = "{\"a\": {" + (0..<150_000).map { "\"tag \($0)\": \($0 + 1)" }.joined(separator: ",") + "}}"
    for entries in [
      ["ss_tag_frequency": "not json", "ss_network_args": "[", "software": "{", "training_info": "1"],
      ["ss_tag_frequency": "[1, {\"x\": 2}]", "ss_network_args": "\"x\"", "software": "{\"name\": 3}"],
      [
        "ss_tag_frequency":
          "{\"a\": 3, \"b\": {\"\\u001b[31m\": 9223372036854775807, \"x\": -1, \"y\": 1.5}, \"c\": {\"\\u001b[31m\": 5}}"
      ],
      [
        "modelspec.trigger_phrase": "\u{1B}]0;title\u{7}\r\n\u{202E}x", "ss_sd_model_name": "\u{0}",
        "modelspec.date": "\n",
      ],
      ["ss_tag_frequency": many], ["ss_tag_frequency": many + String(repeating: " ", count: 5 << 20)],
      ["ss_tag_frequency": String(repeating: "[", count: 100_000)],
      [
        "modelspec.title": String(repeating: "é\u{301}", count: 1 << 20),
        "modelspec.thumbnail": String(repeating: "A", count: 3 << 20),
      ],
      ["ss_training_finished_at": "1e400", "ss_training_started_at": "nan"], ["ss_training_finished_at": "-5"],
      ["ss_network_dim": "", "ss_steps": "None", "ss_epoch": "null", "ss_network_alpha": "Infinity"],
    ] {
      try writeFile(path, tensors, metadata: try metadata(entries))
      for arguments in [["ls", path], ["ls", "--summary", path], ["ls", path, "--format", "json"]] {
        let result = try Program.run(arguments, processorSeconds: 60)
        #expect(result.status == 0, "\(entries.keys) \(result.messages)")
        #expect(rawControls(result.text).isEmpty, "\(entries.keys)")
        if arguments.count < 4 { #expect(result.output.count < 4000, "\(entries.keys) \(result.output.count)") }
      }
    }
    try writeFile(path, tensors, metadata: try metadata(["ss_tag_frequency": many]))
    let file = try #require(try list([path]).document.adapters?.first?.file)
    #expect(file.tagCount == 150_000 && file.tags.count == 10 && file.tags[0].name == "tag 149999")
  }

  // MARK: Bases

  @Test func aBaseSaysWhetherAnAdapterFits() throws {
    let adapter = Self.cases + "sdxl-kohya-sgm-folder/adapter.safetensors"
    let (document, _) = try list([adapter, "--base", Self.cases + "bases/sdxl-folder"])
    let good = try #require(document.adapters?.first)
    #expect(good.base?.fits == true && good.base?.architecture == "SDXL" && good.base?.missingModules == [])
    #expect(good.modules.count == 14 && good.modules.allSatisfy { $0.baseTensors?.count == 1 })
    let text = try Program.run(["ls", adapter, "--base", Self.cases + "bases/sdxl-folder"])
    #expect(text.lines.last?.hasPrefix("fits      yes: all 14 modules are in ") == true)
    #expect(text.lines.last?.hasSuffix("sdxl-folder (SDXL)") == true)

    let flux = Self.cases + "bases/flux-folder"
    let (other, result) = try list([adapter, "--base", flux], status: 3)
    let bad = try #require(other.adapters?.first)
    #expect(bad.base?.fits == false && bad.base?.architecture == "FLUX.1")
    // CLIP-L is in both.
    #expect(bad.base?.missingModules?.count == 13 && bad.base?.modules == 14)
    #expect(bad.base?.missingModules?.contains { $0.hasPrefix("lora_te1_") } == false)
    #expect(bad.modules.allSatisfy { $0.baseTensors == nil } && result.messages.contains("[no-target]"))
    let line = try #require(try Program.run(["ls", adapter, "--base", flux]).lines.last)
    #expect(line.hasPrefix("fits      no: 1 of 14 modules is in "), "\(line)")
    #expect(line.hasSuffix("and 10 more"), "\(line)")
    // All names are there, and the shapes are others.
    let wide = Self.cases + "refuse-other-widths/adapter.safetensors"
    let shapes = try Program.run(["ls", wide, "--base", Self.cases + "bases/sdxl-bf16.safetensors"])
    #expect(shapes.status == 3 && shapes.lines.last?.contains("but not what they change") == true, "\(shapes.text)")
    // A language model isn't one.
    let model = try Program.run(["ls", adapter, "--base", basePath("llama-bf16")])
    #expect(model.status == 3 && model.lines.last?.hasSuffix("is no image or video model that is known") == true)
  }

  @Test func thePlanNamesArchitectureAndDialect() throws {
    let scratch = try Scratch()
    let arguments = [
      "merge", Self.cases + "bases/flux-native.safetensors", Self.cases + "flux-xlabs-file/adapter.safetensors", "-o",
      scratch.file("x.safetensors"), "--dry-run",
    ]
    let lines = try Program.run(arguments).lines
    #expect(lines[0].contains("flux-native.safetensors   FLUX.1, 1 file, "), "\(lines[0])")
    #expect(lines[1].contains("(scaling 1), XLabs, ") || lines[1].contains("LoRA, XLabs, "), "\(lines[1])")
    let events = try Program.run(arguments + ["--json"]).text
    #expect(events.contains("\"architecture\":\"FLUX.1\"") && events.contains("\"dialect\":\"XLabs\""), "\(events)")
  }

  @Test func theIndexOfAPipelineStandsForItsFolder() throws {
    let scratch = try Scratch()
    let folder = Self.cases + "bases/flux-folder"
    let index = folder + "/model_index.json"
    #expect(try Program.run(["ls", index]).text == Program.run(["ls", folder]).text)
    let checked = try Program.run(["check", index])
    #expect(
      checked.status == 0 && checked.text.contains("(6 files, 169 tensors)"), "\(checked.text)\(checked.messages)")
    #expect(try Program.run(["diff", "--exit-code", index, folder]).status == 0)
    let adapter = Self.cases + "flux-kohya-folder/adapter.safetensors"
    for (base, name) in [(index, "one"), (folder, "two")] {
      let result = try Program.run(["merge", base, adapter, "-o", scratch.file(name)])
      #expect(result.status == 0, "\(result.messages)")
    }
    let (one, two) = (try tree(scratch.file("one")), try tree(scratch.file("two")))
    #expect(Set(one.keys) == Set(two.keys) && one["model_index.json"] != nil)
    for (name, bytes) in one where name != ".safemerge.json" { #expect(two[name] == bytes, "\(name)") }
  }

  // MARK: Mistakes

  @Test func anAdapterInPlaceOfTheBaseIsNamed() throws {
    let scratch = try Scratch()
    let adapter = Self.samples + "kohya.safetensors"
    let base = Self.cases + "bases/sdxl-bf16.safetensors"
    for (arguments, text) in [
      ([adapter, base], "this is an adapter, not a model [base]"),
      ([adapter], "an adapter in one file does not name one"),
      ([base, base], "is this a model, and not an adapter? the base comes first"),
    ] {
      let result = try Program.run(["merge"] + arguments + ["-o", scratch.file("x.safetensors")])
      #expect(result.status == 3 && result.messages.contains(text), "\(result.messages)")
    }
    #expect(try scratch.entries().isEmpty)
  }

  /// What cannot be read as an adapter is listed as the tensors that it has, with the reason.
  @Test func brokenAdaptersAreListedAsTensors() throws {
    let path = Self.cases + "refuse-half-a-lokr/adapter.safetensors"
    let result = try Program.run(["ls", path])
    #expect(result.status == 0 && result.messages.contains("is missing; listed as plain tensors"), "\(result.messages)")
    #expect(result.lines.first?.hasPrefix("NAME") == true)
    let checked = try Program.run(["check", path])
    #expect(checked.status == 3 && checked.text.contains("is missing [pair]"), "\(checked.text)")
    let good = try Program.run(["check", Self.samples + "kohya.safetensors"])
    #expect(good.status == 0 && good.text.contains("OK"), "\(good.text)")
    // The weights of a folder are not an adapter without its config.
    let weights = try Program.run(["ls", adapterPath("linear-bf16") + "/adapter_model.safetensors"])
    #expect(weights.status == 0 && weights.lines.first?.hasPrefix("NAME") == true && weights.errors == [])
    // A folder with an adapter alone, as on the hub.
    let scratch = try Scratch()
    try FileManager.default.createDirectory(atPath: scratch.file("lora"), withIntermediateDirectories: false)
    try FileManager.default.copyItem(
      atPath: Self.samples + "kohya.safetensors", toPath: scratch.file("lora/pytorch_lora_weights.safetensors"))
    let alone = try Program.run(["ls", scratch.file("lora")])
    #expect(alone.lines.contains("dialect   kohya") && alone.errors == [], "\(alone.text)\(alone.messages)")
    // A model with an adapter in it is a model.
    let mixed = (0..<4).flatMap { number in
      ["base_layer.weight", "lora_A.default.weight", "lora_B.default.weight"].map {
        TestTensor("model.\(number).\($0)", .f32, [2, 2])
      }
    }
    try writeFile(scratch.file("m.safetensors"), mixed)
    let model = try Program.run(["ls", scratch.file("m.safetensors")])
    #expect(model.lines.first?.hasPrefix("NAME") == true && model.errors == [])
  }

  /// Methods on factors are for adapters of PEFT: what they don't combine is named, and merged without them.
  @Test func combinationsNameTheFileThatTheyRefuse() throws {
    let scratch = try Scratch()
    let base = Self.cases + "bases/sd1-f16.safetensors"
    let adapters = ["sd1-lora-then-oft/lora.safetensors", "sd1-oft-then-lora/lora.safetensors"].map { Self.cases + $0 }
    func combine(_ method: String) throws -> Program.Result {
      try Program.run(
        ["merge", base] + adapters + ["--combine", method, "-o", scratch.file(method + ".safetensors")])
    }
    let refused = try combine("linear")
    #expect(refused.status == 3)
    #expect(
      refused.messages.contains(
        "lora.safetensors: LoRA in a file without a config cannot be combined by \"linear\" [unsupported]"))
    let merged = try combine("cat")
    #expect(merged.status == 0, "\(merged.messages)")
    let plain = try Program.run(["merge", base] + adapters + ["-o", scratch.file("plain.safetensors")])
    #expect(plain.status == 0)
    // The record of each has its own options.
    #expect(try elements(scratch.file("cat.safetensors")) == elements(scratch.file("plain.safetensors")))
  }

  /// A message names the tensors of a file by the keys that the file has.
  @Test func messagesHaveTheKeysOfTheFile() throws {
    let scratch = try Scratch()
    for (name, tensor, text) in [
      ("refuse-fused-rows", "img_attn.qkv.lora_up.weight", "base: lora_up.weight is [32, 2]"),
      ("refuse-kernel-size", "conv_in.lora_down.weight", "base: lora_down.weight is [2, 4, 5, 5]"),
      ("refuse-other-widths", "attn2_to_k.lora_down.weight", "base: lora_down.weight is [2, 8]"),
      ("refuse-wan-other-size", "self_attn.q.lora_up.weight", "base: lora_up.weight is [24, 2]"),
      ("refuse-xlabs-proj-lora-width", "processor.proj_lora.down.weight", "base: down.weight is [2, 16]"),
      ("refuse-tucker-core", "conv1.lora_mid.weight", "base: lora_mid.weight is [2, 2, 5, 5]"),
      ("refuse-half-a-loha", "to_q.hada_w1_a", "to_q.hada_w2_b, is missing"),
      ("refuse-half-a-lokr", "to_q.lokr_w1", "to_q.lokr_w2_a, is missing"),
      ("refuse-no-tensors", "", "download the adapter again, or save it again with its trainer"),
    ] {
      let folder = Self.cases + name
      let object = try JSONSerialization.jsonObject(with: Data(contents(folder + "/case.json"))) as? [String: Any]
      let base = try #require(object?["base"] as? String)
      let result = try Program.run([
        "merge", folder + "/" + base, folder + "/adapter.safetensors", "-o", scratch.file("x.safetensors"),
      ])
      #expect(result.status == 3, "\(name)")
      #expect(result.messages.contains(text), "\(name): \(result.messages)")
      #expect(result.messages.contains(tensor + ": ") || tensor.isEmpty, "\(name): \(result.messages)")
      #expect(!result.messages.contains("PEFT"), "\(name): \(result.messages)")
    }
  }
}
