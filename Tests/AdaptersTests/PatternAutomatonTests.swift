import TestSupport
import Testing

@testable import Adapters

/// All patterns of a table in one walk: the same answers as one pattern after the other, at a bounded price.
@Suite struct PatternAutomatonTests {
  private static let keys = [
    "layers\\.[0-3]\\.mlp\\.up_proj", "q_proj", "layers\\.(1|2)\\..*proj", "^model.layers.7.mlp", ".*_proj$",
    "\\bmlp\\b.*",
    "(a|b)*c", "model\\.layers\\.1\\d\\.self_attn\\.[qk]_proj", "x)|(.*up.*", "\\Bproj", "head\\Z", "",
    "up_proj|down_proj",
  ]

  private static var names: [String] {
    var names = [
      "", "q_proj", "mlp", "aabc", "lm_head", "model.layers.7.mlp", "a\nmlp", "mlp\n", "q_proj\n", "é.mlp.ü",
    ]
    for layer in 0..<20 {
      for leaf in ["self_attn.q_proj", "self_attn.k_proj", "mlp.up_proj", "mlp.down_proj", "mlp", "norm"] {
        names.append("model.layers.\(layer).\(leaf)")
      }
    }
    return names
  }

  @Test func findsWhatThePatternsFindOneByOne() throws {
    var random = SeededGenerator()
    for count in [1, 2, 5, Self.keys.count] {
      for _ in 0..<5 {
        let keys = Array(Self.keys.shuffled(using: &random).prefix(count))
        let table = try PatternTable(keys.enumerated().map { (key: $0.element, value: $0.offset) })
        let patterns = try keys.map(PythonPattern.init(key:))
        var (memory, budget) = (PatternAutomaton.Memory(), MatchBudget())
        for name in Self.names {
          let path = name.unicodeScalars.map(\.value)
          let expected =
            try patterns.firstIndex { try $0.matches(path, budget: &budget) }
            ?? keys.firstIndex { $0.utf8.elementsEqual(name.utf8) }
          // Asked twice: of what was remembered, and from scratch.
          let found = try table.firstMatch(name, memory: &memory, budget: &budget)
          #expect(found == expected, "\(name) \(keys)")
          #expect(try table.firstMatch(name, budget: &budget) == expected, "\(name) \(keys)")
        }
      }
    }
  }

  /// One after the other these take 150 million steps.
  @Test func manyModulesTimesManyPatternsAreCheap() throws {
    let keys = (0..<300).map { "layers\\.\($0)\\..*(q|k|v)_proj" }
    let table = try PatternTable(keys.enumerated().map { (key: $0.element, value: $0.offset) })
    var (memory, budget) = (PatternAutomaton.Memory(), MatchBudget(20_000_000))
    for number in 0..<3000 {
      let layer = 290 + number % 20
      let name = "model.layers.\(layer).mlp.experts.\(number / 20).down_proj"
      #expect(try table.firstMatch(name, memory: &memory, budget: &budget) == nil)
      if number < 20 {
        let hit = try table.firstMatch("model.layers.\(layer).self_attn.k_proj", memory: &memory, budget: &budget)
        #expect(hit == (layer < 300 ? layer : nil))
      }
    }
  }

  /// Of more states than are remembered: forgotten as a whole, with the same answers.
  @Test func aFullMemoryStartsOver() throws {
    let table = try PatternTable([(key: "(a|b)*a(a|b){40}c", value: 0)])
    var random = SeededGenerator()
    var (memory, budget) = (PatternAutomaton.Memory(sizeLimit: 2000), MatchBudget())
    for end in ["c", "b"] {
      let text = (0..<500).map { _ in random.next() % 2 == 0 ? "a" : "b" }.joined() + "a"
      let tail = String(repeating: "b", count: 40) + end
      #expect(try table.firstMatch(text + tail, memory: &memory, budget: &budget) == (end == "c" ? 0 : nil))
    }
  }
}
