import Checkpoints
import TestSupport
import Testing

@testable import MergeEngine
@testable import Platform
@testable import Reports
@testable import SafemergeCLI

@Suite struct NaturalOrderTests {
  @Test(arguments: [
    ["a", "b"], ["a2", "a10"], ["a2b", "a10a"], ["a", "a1"], ["", "a"], ["1", "a"], ["a1", "a01"], ["a01", "a2"],
    ["layers.9.w", "layers.10.w"], ["x99999999999999999998", "x99999999999999999999"], ["a1.2", "a1.10"], ["Z", "a"],
    ["a", "é"], ["a.b", "a.b.c"], ["a0", "a00"], ["0", "1"], ["9", "10"], ["a-1", "a1"],
  ])
  func precedes(names: [String]) {
    #expect(NaturalOrder.precedes(names[0], names[1]))
    #expect(!NaturalOrder.precedes(names[1], names[0]))
    for name in names { #expect(!NaturalOrder.precedes(name, name)) }
  }

  /// What sorting needs: for any three names, order and equality carry over.
  @Test func isAWeakOrder() {
    var random = SeededGenerator()
    let names = (0..<60).map { _ in
      String((0..<Int.random(in: 0...5, using: &random)).map { _ in "019a.b".randomElement(using: &random) ?? "a" })
    }
    func compare(_ one: String, _ other: String) -> Int {
      NaturalOrder.precedes(one, other) ? -1 : NaturalOrder.precedes(other, one) ? 1 : 0
    }
    for a in names {
      for b in names {
        #expect(compare(a, b) == -compare(b, a), "\(a) \(b) \(random)")
        for c in names where compare(a, b) <= 0 && compare(b, c) <= 0 {
          if compare(a, c) > 0 { Issue.record("\(a) \(b) \(c) \(random)") }
        }
      }
    }
  }
}

@Suite struct GlobTests {
  @Test(arguments: [
    ("*", ""), ("*", "a.b"), ("a*c", "abbc"), ("a*c", "ac"), ("*a*a*", "aa"), ("?", "é"), ("a?c", "abc"),
    ("[a-c]x", "bx"), ("[!a-c]x", "dx"), ("[^a]", "b"), ("[]]", "]"), ("[a-]", "-"), ("[c-a]", "b"), ("\\*", "*"),
    ("\\[a]", "[a]"), ("[", "["), ("a[", "a["), ("*.layers.[0-9].*", "model.layers.7.w"), ("**", "x"), ("a\\", "a\\"),
  ])
  func matches(pattern: String, name: String) { #expect(Glob(pattern).matches(name)) }

  @Test(arguments: [
    ("", "a"), ("a", ""), ("a*c", "abd"), ("?", ""), ("?", "ab"), ("[a-c]x", "dx"), ("[!a-c]x", "bx"), ("\\*", "a"),
    ("*a", "ab"), ("a", "A"), ("layers", "model.layers"), ("*.layers.[0-9].*", "model.layers.10.w"), ("*a*a*", "a"),
  ])
  func doesNotMatch(pattern: String, name: String) { #expect(!Glob(pattern).matches(name)) }

  @Test func isNotExponential() {
    let pattern = String(repeating: "*a", count: 30) + "b"
    let name = String(repeating: "a", count: 2000)
    let time = processorTime { #expect(!Glob(pattern).matches(name)) }
    #expect(time < .seconds(10))
  }
}

@Suite struct QuantitiesTests {
  @Test(arguments: [
    (0, "0 B"), (1, "1 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1535, "1.5 KiB"), (1075, "1.0 KiB"),
    (1076, "1.1 KiB"), (1_048_575, "1.0 MiB"), (1_047_500, "1022.9 KiB"), (1 << 20, "1.0 MiB"),
    (16_060_522_496, "15.0 GiB"),
    (1 << 40, "1.0 TiB"), (1 << 50, "1.0 PiB"), (1 << 60, "1.0 EiB"), (Int.max, "8.0 EiB"),
  ])
  func bytes(count: Int, text: String) { #expect(NumberText.bytes(count) == text) }

  @Test(arguments: [
    (0, "0"), (999, "999"), (1000, "1,000"), (123_456, "123,456"), (8_030_261_248, "8,030,261,248"), (-1234, "-1,234"),
    (-123, "-123"),
  ])
  func grouped(count: Int, text: String) { #expect(NumberText.grouped(count) == text) }

  @Test(arguments: [(2.0, "2"), (0.5, "0.5"), (-3.0, "-3"), (1e20, "1e+20"), (0.0, "0")])
  func number(value: Double, text: String) { #expect(NumberText.number(value) == text) }

  @Test func shape() {
    #expect(NumberText.shape([]) == "[]")
    #expect(NumberText.shape([3, 4]) == "[3, 4]")
  }
}
