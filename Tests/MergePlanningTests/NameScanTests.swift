import Adapters
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// Names that are looked at byte by byte, against the components that `split` makes of them.
@Suite struct NameScanTests {
  private static let words = [
    "model", "layers", "0", "12", "007", "weight", "lora_A", "lora_B", "base_layer", "modules_to_save",
    "parametrizations",
    "visual", "mtp", "c_attn", "mlp", "1a", "", "ü", "experts", "original_module",
  ]

  private static let names: [String] = {
    var random = SeededGenerator()
    return (0..<3000).map { _ in
      (0..<Int.random(in: 0...6, using: &random)).map { _ in words[Int.random(in: words.indices, using: &random)] }
        .joined(separator: ".")
    }
  }()

  private func isNumber(_ component: Substring) -> Bool { component.allSatisfy { $0.isASCII && $0.isNumber } }

  @Test func placesOfModules() {
    for name in Self.names {
      var components = name.split(separator: ".").filter { !isNumber($0) }
      let (leaf, block) = (components.popLast() ?? "", components.popLast() ?? "")
      let place = ModulePlace(name)
      #expect(place.leaf == leaf && place.block == block, "\(name): \(place)")
    }
    #expect(ModulePlace("model.layers.3.mlp.7").leaf == "mlp")
    #expect(ModulePlace("12").leaf == "")
  }

  @Test func componentsThatAdaptersLeave() {
    var found = 0
    for name in Self.names {
      let components = name.split(separator: ".")
      let markers: Set<Substring> = ["lora_A", "lora_B", "modules_to_save", "original_module"]
      let expected =
        !components.contains("parametrizations")
        && (components.contains(where: markers.contains)
          || components.count >= 2 && components[components.count - 2] == "base_layer")
      #expect(AdapterTensorNames.isPart(TensorName(name)) == expected, "\(name)")
      if expected { found += 1 }
    }
    #expect(found > 300)
    for name in ["a.lora_A.weight", "a.token_adapter.b", "x.base_layer.weight"] {
      #expect(AdapterTensorNames.isPart(TensorName(name)), "\(name)")
    }
    for name in ["a.xlora_A.weight", "base_layer.x.weight", "base_layer", "lora_Aa"] {
      #expect(!AdapterTensorNames.isPart(TensorName(name)), "\(name)")
    }
  }

  @Test func partsBesideALanguageModel() {
    var found = 0
    for name in Self.names {
      let expected = name.split(separator: ".").dropLast().contains {
        ["visual", "mtp"].contains($0) || isNumber($0)
      }
      #expect(EmbeddingNames.isBeside(name) == expected, "\(name)")
      if expected { found += 1 }
    }
    #expect(found > 500)
  }

  @Test func wordsOfASet() {
    let set = WordSet(["a", "lm_head", "wte"])
    for name in ["a", "a.b", "b.a", "x.lm_head.y", ".a.", "wte"] { #expect(set.hasWord(in: name), "\(name)") }
    for name in ["", ".", "aa", "lm_heads", "lm_hea.d", "x.wt.e", "A"] { #expect(!set.hasWord(in: name), "\(name)") }
    for name in ["0.a", "a.12.b", "a.12..b", "a..12.b"] { #expect(WordSet.hasNumber(in: name), "\(name)") }
    for name in ["", "12", "a.12", "a.12.", "a.1b.c", "a..b"] { #expect(!WordSet.hasNumber(in: name), "\(name)") }
  }

  @Test func namesAreOrderedByTheirBytes() {
    let names = Self.names + ["a", "ab", "a.b", "é", "e\u{301}", "\u{FFFF}", "\u{10000}", "Z"]
    let sorted = names.map { TensorName($0) }.sorted()
    let expected = names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
    #expect(sorted.map { Array($0.string.utf8) } == expected.map { Array($0.utf8) })
  }
}
