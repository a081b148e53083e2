import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

@testable import SafemergeCLI

/// `safemerge ls --tree`.
@Suite struct TreeTests {
  private let scratch: Scratch
  private let file: String

  init() throws {
    scratch = try Scratch()
    file = scratch.file("model.safetensors")
    var tensors = [TestTensor("model.embed.weight", .bf16, [8, 4]), TestTensor("head.weight", .f32, [2])]
    for layer in 0..<12 {
      tensors.append(TestTensor("model.layers.\(layer).q.weight", .bf16, layer == 5 ? [4, 8] : [4, 4]))
      tensors.append(TestTensor("model.layers.\(layer).norm", .f32, [4]))
      for expert in 0..<3 { tensors.append(TestTensor("model.layers.\(layer).experts.\(expert).w", .u8, [2])) }
    }
    try writeFile(file, tensors)
  }

  @Test func layersThatAreAlikeAreOne() throws {
    let result = try Program.run(["ls", file, "--tree"])
    #expect(result.status == 0, "\(result.messages)")
    #expect(
      result.lines == [
        "NAME                   TENSORS  PARAMETERS   SIZE  DTYPE        SHAPE",
        "head.weight                  1           2    8 B  F32          [2]",
        "model                       61         360  744 B  U8,BF16,F32",
        "  embed.weight               1          32   64 B  BF16         [8, 4]",
        "  layers                    60         328  680 B  U8,BF16,F32",
        "    [0-4,6-11]              55         286  594 B  U8,BF16,F32",
        "      experts.[0-2].w       33          66   66 B  U8           [2]",
        "      norm                  11          44  176 B  F32          [4]",
        "      q.weight              11         176  352 B  BF16         [4, 4]",
        "    5                        5          42   86 B  U8,BF16,F32",
        "      experts.[0-2].w        3           6    6 B  U8           [2]",
        "      norm                   1           4   16 B  F32          [4]",
        "      q.weight               1          32   64 B  BF16         [4, 8]",
        "BF16  13 tensors, 240 parameters, 480 B",
        "U8  36 tensors, 72 parameters, 72 B",
        "F32  13 tensors, 50 parameters, 200 B",
        "62 tensors, 362 parameters, 752 B",
      ])
  }

  @Test func depthCutsTheTree() throws {
    let lines = try Program.run(["ls", file, "--tree", "--depth", "1", "--format", "tsv"]).lines
    #expect(
      lines == [
        "path\ttensors\tparameters\tbytes\tdtype\tshape", "head\t1\t2\t8\tF32\t2", "model\t61\t360\t744\tU8,BF16,F32\t",
      ])
    let names = try Program.run(["ls", file, "--tree", "--depth", "3", "--format", "names"]).lines
    #expect(names == ["head.weight", "model.embed.weight", "model.layers.[0-4,6-11]", "model.layers.5"])
  }

  @Test func jsonHasThePathsAndSums() throws {
    let result = try Program.run(["ls", file, "--tree", "--format", "json", "--include", "model.layers.*"])
    let document = try JSONParser.parse(result.output.span)
    guard case .array(let trees)? = document["trees"], case .array(let roots)? = trees.first?["children"],
      case .array(let below)? = roots.first?["children"], case .array(let layers)? = below.first?["children"]
    else {
      Issue.record("no tree")
      return
    }
    #expect(trees.first?["path"] == .string(file))
    #expect(layers.map { $0["path"] } == [.string("model.layers.[0-4,6-11]"), .string("model.layers.5")])
    #expect(layers.map { $0["tensors"] } == [.integer(55), .integer(5)])
    #expect(trees.first?["dtypes"]?["BF16"]?["tensors"] == .integer(12))
  }

  @Test func numbersAreWhatIsWrittenAsNumbers() throws {
    let other = scratch.file("other.safetensors")
    try writeFile(
      other, ["a.0", "a.00", "a.1", "a.x", "a.2.b", "b", "b.c", "", "a..b"].map { TestTensor($0, .u8, [1]) })
    let names = try Program.run(["ls", other, "--tree", "--format", "names"]).lines
    #expect(Set(names) == ["a.[0-1]", "a.00", "a.x", "a.2.b", "b", "b.c", "", "a..b"])
    #expect(names.count == 8)
  }

  /// A name of a hundred thousand parts makes no tree of that depth.
  @Test func deepNamesDoNoHarm() throws {
    let other = scratch.file("deep.safetensors")
    let deep = String(repeating: "a.", count: 100_000) + "w"
    try writeFile(other, [TestTensor(deep, .u8, [1]), TestTensor("a.a", .u8, [1])])
    let result = try Program.run(["ls", other, "--tree", "--format", "names"])
    #expect(result.status == 0)
    #expect(result.lines.contains(deep))
    #expect(try Program.run(["ls", other, "--tree", "--format", "json"]).status == 0)
  }

  @Test func hostileNamesAreEscaped() throws {
    let hostile = scratch.file("hostile.safetensors")
    try writeFile(hostile, ["\\u001b[2J.x", "a\\nb.\\u202e"].map { TestTensor($0, .u8, [1]) })
    for format in ["table", "json", "tsv", "names"] {
      let text = try Program.run(["ls", hostile, "--tree", "--format", format]).text
      #expect(rawControls(text.replacing("\t", with: " ")) == [])
    }
  }

  @Test func severalPathsHaveATreeEach() throws {
    let result = try Program.run(["ls", file, basePath("llama-bf16-sharded"), "--tree", "--depth", "1"])
    #expect(result.lines.filter { $0.hasPrefix("NAME") }.count == 2)
    #expect(result.lines.contains(file) && result.lines.contains(basePath("llama-bf16-sharded")))
  }

  @Test(arguments: [
    ["--depth", "2"], ["--tree", "--depth", "0"], ["--tree", "--summary"], ["--tree", "--stats"],
    ["--metadata", "--shards"], ["--shards", "--format", "json"], ["--stats", "--format", "names"],
    ["--base", "x", "--tree"], ["--jobs", "0"],
  ]) func optionsThatDoNotGoTogether(_ options: [String]) throws {
    let result = try Program.run(["ls", file] + options)
    #expect(result.status == 2)
    #expect(result.output.isEmpty != options.contains("json"), "only an event")
  }
}
