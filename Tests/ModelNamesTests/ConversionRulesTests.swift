import JSONText
import Safetensors
import TestSupport
import Testing

@testable import ModelNames

/// The table of conversions, against the names that transformers itself makes.
@Suite struct ConversionRulesTests {
  /// An entry of `Fixtures/families/names.json`.
  struct Family: CustomTestStringConvertible, Sendable {
    let name: String
    let config: JSONValue
    let names: [(disk: String, runtime: [String])]

    var testDescription: String { name }

    static let all: [Family] = {
      guard let text = try? contents(fixturesPath() + "/families/names.json"),
        case .array(let entries) = try? JSONParser.parse(text.span)
      else { return [] }
      return entries.compactMap { entry in
        guard case .string(let name)? = entry["family"], let config = entry["config"],
          case .object(let names)? = entry["names"]
        else { return nil }
        return Family(
          name: name, config: config,
          names: names.map { member in
            guard case .array(let runtime) = member.value else { return (member.key, []) }
            return (member.key, runtime.compactMap { if case .string(let text) = $0 { text } else { nil } })
          })
      }
    }()
  }

  @Test func familiesAreThere() {
    #expect(Family.all.count == 97)
    #expect(Family.all.reduce(0) { $0 + $1.names.count { $0.runtime != [$0.disk] } } > 700)
  }

  @Test(arguments: Family.all) func namesAreThoseOfTransformers(_ family: Family) {
    let rules = ConversionRules(config: family.config, names: family.names.map(\.disk))
    // Of Inkling 2's queries, which are no linear layers, transformers counts the numbers on by one; that is not read.
    for (disk, runtime) in family.names where !disk.contains("attn_res.attn_queries.") {
      let place = rules.runtimePlace(of: disk)
      #expect(place.names == runtime, "\(disk)")
      #expect(place.rule.isEmpty == (runtime == [disk] && place.part == nil), "\(disk)")
    }
  }

  /// Whatever Swift cannot read of the table does nothing: it must be nothing.
  @Test func everyLineIsRead() throws {
    var unread: [Substring] = []
    for line in ConversionTable.text.split(separator: "\n") {
      if line.hasPrefix("family ") || line.hasPrefix("model ") { continue }
      if try NameConversion(String(line)) == nil { unread.append(line) }
    }
    // They move numbers, or two tensors to one name: nothing that an adapter names.
    #expect(unread.allSatisfy { $0.hasPrefix("Inkling2IndexOffsetWeightRename") || $0.hasPrefix("LayerPairCollapse") })
    #expect(unread.count == 3)
  }

  @Test func patternsLookBehind() throws {
    let pattern = try NamePattern(#"(?<!decoder\.)(?<!_)layers\."#)
    #expect(pattern.firstMatch(in: "decoder.layers.0") == nil)
    #expect(pattern.firstMatch(in: "x_layers.0") == nil)
    let match = try #require(pattern.firstMatch(in: "decoder.layers.0.layers.1"))
    #expect("decoder.layers.0.layers.1"[match.range.upperBound...] == "1")
  }

  @Test func literalsAreWhatEveryMatchHas() {
    func literal(_ text: Substring) -> String { String(decoding: NamePattern.literal(text), as: UTF8.self) }
    #expect(literal(#"^language_model\.model"#) == "language_model.model")
    #expect(literal(#"\.(feed_forward|experts)\.w1\."#) == ".w1.")
    #expect(literal("abcd*e") == "abc")
    #expect(literal("one|another").isEmpty)
    #expect(literal(#"layers\.\d+\.mlp"#) == "layers.")
    #expect(literal("(a|b)").isEmpty)
  }
}
