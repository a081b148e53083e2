import Foundation
import JSONText
import MergeEngine
import Platform
import Reports
import Safetensors
import TestSupport
import Testing

@testable import SafemergeCLI

/// `ls` and `check` of models that the formats' own packages wrote (`Fixtures/generator/listing.py`).
@Suite struct QuantizedListingTests {
  struct Case: Sendable, CustomStringConvertible {
    let name: String
    /// What q_proj and down_proj are called in the column of dtypes.
    let formats: [String]
    var description: String { name }
    var path: String { fixturesPath() + "/listing/" + name }
  }

  static let cases: [Case] = [
    Case(name: "auto-awq", formats: ["AWQ 4-bit", "AWQ 4-bit"]),
    Case(name: "auto-round", formats: ["GPTQ 4-bit", "GPTQ 4-bit"]),
    Case(name: "compressed-int8", formats: ["INT8 packed", "INT8 packed"]),
    Case(name: "compressed-mixed", formats: ["FP8 per row", "NVFP4"]),
    Case(name: "compressed-zeros", formats: ["INT8 per row", "INT8 per row"]),
    Case(name: "fp4-experts", formats: ["FP8 32x32", "MXFP4"]),
    Case(name: "gptq", formats: ["GPTQ 4-bit", "GPTQ 4-bit"]),
    Case(name: "mlx", formats: ["MLX 4-bit", "MLX 4-bit"]),
    Case(name: "mlx-mxfp4", formats: ["MXFP4", "MXFP4"]),
    Case(name: "mlx-old", formats: ["MLX 4-bit", "MLX 4-bit"]),
    Case(name: "modelopt-fp8", formats: ["FP8 per tensor", "FP8 per tensor"]),
    Case(name: "modelopt-nvfp4", formats: ["BF16", "NVFP4"]),
    Case(name: "nf4", formats: ["NF4", "NF4"]),
    Case(name: "nf4-as-bf16", formats: ["NF4", "NF4"]),
    Case(name: "quanto", formats: ["quanto fp8", "quanto fp8"]),
    Case(name: "quark", formats: ["FP8 32x32", "FP8 32x32"]),
    Case(name: "sparse", formats: ["FP8 sparse", "FP8 sparse"]),
    Case(name: "torchao", formats: ["FP8 per row", "FP8 per row"]),
  ]

  /// Embedding and head of 16 rows, three norms, q_proj and down_proj of a Llama of hidden size 128.
  private static let parameters = 2 * 16 * 128 + 3 * 128 + 128 * 128 + 128 * 256

  @Test(arguments: cases) func everyViewCountsTheModel(_ model: Case) throws {
    let count = "\(NumberText.grouped(Self.parameters)) parameters"
    for view in [[], ["--tree"]] {
      let last = try Program.run(["ls", model.path] + view).lines.last
      #expect(last?.contains(", \(count), ") == true, "\(view) \(last ?? "")")
      #expect(last?.contains(" bits per weight") == true, "\(view) \(last ?? "")")
    }
    #expect(try Program.run(["ls", model.path, "--summary"]).lines.first?.contains(", \(count), ") == true)
    let shards = try Program.run(["ls", model.path, "--shards", "--format", "tsv"]).lines
    #expect(shards[1].split(separator: "\t")[2] == "\(Self.parameters)")
    let output = try Program.run(["ls", model.path, "--format", "json"]).output
    let json = try JSONParser.parse(output.span)
    #expect(json["total"]?["parameters"] == .integer(Int64(Self.parameters)))
    let bytes = try SafetensorsHeader(path: model.path + "/model.safetensors").dataByteCount
    #expect(json["total"]?["bits_per_weight"] == .real(Double(bytes) * 8 / Double(Self.parameters)))
    guard case .array(let models)? = json["models"] else {
      Issue.record("no models")
      return
    }
    #expect(models.first?["parameters"] == .integer(Int64(Self.parameters)))
    #expect(models.first?["weight_bytes"] == .integer(Int64(bytes)))
    // Figures of data are of tensors as they are; the sums stay those of the model.
    let read = try Program.run(["ls", model.path, "--stats"])
    #expect(read.lines.last?.contains(", \(count), ") == true, "\(read.text)")
  }

  @Test(arguments: cases) func weightsAreShownAsTheyAreUsed(_ model: Case) throws {
    let layer = "model.layers.0."
    let lines = try Program.run(["ls", model.path]).lines
    for (module, format, shape) in [
      ("self_attn.q_proj", model.formats[0], "[128, 128]"), ("mlp.down_proj", model.formats[1], "[128, 256]"),
    ] {
      let row = lines.first { $0.hasPrefix(layer + module + ".weight ") }
      #expect(row?.contains("  \(format)  ") == true, "\(row ?? "none")")
      #expect(row?.contains("  \(shape)  ") == true, "\(row ?? "none")")
    }
    #expect(!lines.contains { $0.contains("scale") || $0.contains("qdata") || $0.contains("absmax") }, "\(lines)")
    let tree = try Program.run(["ls", model.path, "--tree"]).lines
    let leaf = tree.first { $0.contains("q_proj.weight") }
    #expect(leaf?.contains(model.formats[0]) == true, "\(tree)")
    #expect(leaf?.hasSuffix("[128, 128]") == true, "\(tree)")
  }

  /// Codes that are kept as BF16 are no numbers, and the rows of packed tensors are not those of the model.
  @Test(arguments: cases) func checkFindsNothing(_ model: Case) throws {
    let result = try Program.run(["check", "--data", model.path])
    #expect(result.status == 0, "\(result.text)")
    #expect(result.lines.last?.hasPrefix("OK: no problems found in ") == true)
  }

  /// A glob that fits the weight or its codes takes all of its tensors; one that fits a part alone shows that.
  @Test func globsNameWeights() throws {
    let model = fixturesPath() + "/listing/nf4"
    let row = try Program.run(["ls", model, "--include", "*.q_proj.weight"]).lines
    #expect(row.count == 3 && row[1].contains("  NF4  "))
    #expect(row.last?.hasPrefix("6 of 17 tensors, 16,384 parameters, ") == true, "\(row)")
    let part = try Program.run(["ls", model, "--include", "*.q_proj.weight.absmax"]).lines
    #expect(part.count == 3 && part[1].contains("  U8 "))
    #expect(part.last?.hasPrefix("1 of 17 tensors, 0 parameters, ") == true, "\(part)")
    let tree = try Program.run(["ls", model, "--tree", "--include", "*.q_proj.*"]).lines
    #expect(tree.last?.hasPrefix("6 tensors, 16,384 parameters, ") == true, "\(tree)")
    let raw = try Program.run(["ls", model, "--raw", "--include", "*.q_proj.weight"]).lines
    #expect(raw.last?.hasPrefix("1 of 17 tensors, 8,192 parameters, ") == true, "\(raw)")
  }

  @Test func summarySaysWhatServingTakes() throws {
    let lines = try Program.run(["ls", fixturesPath() + "/listing/nf4", "--summary"]).lines
    #expect(lines.contains("  NF4  12 tensors  49,152 parameters"), "\(lines)")
    #expect(
      lines.contains(
        "  memory  36.0 KiB for the weights as stored (5.494 bits per parameter), plus KV cache and activations"),
      "\(lines)")
    let mixtral = basePath("tiny-mixtral-bf16")
    let experts = try Program.run(["ls", mixtral, "--summary"]).lines.first { $0.hasPrefix("  experts  ") }
    let headers = try SafetensorsHeader(path: mixtral + "/model.safetensors").tensors
    let bytes = try contents(mixtral + "/config.json")
    let config = try JSONParser.parse(bytes.span)
    guard case .integer(let all)? = config["num_local_experts"],
      case .integer(let used)? = config["num_experts_per_tok"]
    else {
      Issue.record("no experts in \(mixtral)")
      return
    }
    let routed = headers.filter { $0.name.string.contains(".experts.") }.reduce(0) { $0 + $1.elementCount }
    let total = headers.reduce(0) { $0 + $1.elementCount }
    let active = total - routed + routed * Int(used) / Int(all)
    #expect(
      experts == "  experts  \(NumberText.grouped(active)) active parameters per token (\(used) of \(all) experts)")
    let output = try Program.run(["ls", mixtral, "--format", "json"]).output
    let json = try JSONParser.parse(output.span)
    guard case .array(let models)? = json["models"] else {
      Issue.record("no models")
      return
    }
    #expect(models.first?["active_parameters"] == .integer(Int64(active)))
    #expect(models.first?["experts_per_token"] == .integer(used))
  }

  /// An index that names the one file that there is says nothing wrong.
  @Test func indexOfOneFileIsNoWarning() throws {
    let scratch = try Scratch()
    let folder = try copyOfFixture("bases/llama-bf16", in: scratch, as: "model")
    let names = try SafetensorsHeader(path: folder + "/model.safetensors").tensors.map(\.name.string)
    let size = try SafetensorsHeader(path: folder + "/model.safetensors").dataByteCount
    let map = names.map { "\"\($0)\": \"model.safetensors\"" }.joined(separator: ", ")
    try scratch.write(
      "{\"metadata\": {\"total_size\": \(size)}, \"weight_map\": {\(map)}}", to: "model/model.safetensors.index.json")
    let listed = try Program.run(["ls", folder])
    #expect(listed.status == 0 && listed.errors == [], "\(listed.messages)")
    let checked = try Program.run(["check", folder])
    #expect(checked.status == 0, "\(checked.text)")
    try scratch.write(
      "{\"metadata\": {}, \"weight_map\": {\"other\": \"model.safetensors\"}}", to: "model/model.safetensors.index.json"
    )
    #expect(try Program.run(["check", folder]).status == 3)
  }
}
