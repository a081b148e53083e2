import Testing

@testable import Adapters

/// Agreement with Python's `re`.
///
/// The table was written by CPython 3.11: for each key, `re.match(r"(.*\.)?(" + key + r")$", name)` over all names,
/// "1" where it matched; nil where `re.compile` refused the spliced text. The same comparison over thousands of
/// random keys and names, put together from atoms like those below, found no difference.
@Suite struct PythonPatternTests {
  static let names = [
    "q_proj", "m.q_proj", "m.xq_proj", "m.layers.1.self_attn.q_proj", "m.layers.11.q_proj", "q_proj.x",
    "a\nb.q_proj", "q_proj\n", "m.q_projq_proj", "mod.é1", "m.٣", "q-proj", "qxproj", "a", "b", "ab", "m.aab", "m.",
    "x y",
  ]

  static let python: [(key: String, hits: String?)] = [
    ("q_proj", "11.11..1..........."), ("layers.1.self_attn.q_proj", "...1..............."),
    ("layers.1.q_proj", "..................."), ("1.q_proj", "..................."),
    ("^m.layers.1.self_attn.q_proj", "...1..............."), ("^q_proj", "1......1..........."),
    ("q.proj", "11.11..1...11......"), ("q\\.proj", "..................."), ("q-proj", "...........1......."),
    ("a|b", ".............11...."), ("a)|(b", "......1......1111.."), ("q_proj|x", "11.111.1..........."),
    ("(q|k|v)_proj", "11.11..1..........."), (".*", "111111.111111111111"), ("", ".................1."),
    ("[qk]_proj", "11.11..1..........."), ("[^q]_proj", "..................."), ("[a-z_]+", "111111.11...11111.."),
    ("[^.]*", "111111.111111111111"), ("\\w+", "111111.1111.11111.."), ("\\W", "..................."),
    ("\\d", "..........1........"), ("\\D+", "111111111..11111111"), ("\\S+", "111111.11111111111."),
    (".+\\s.+", "......1...........1"), ("é.", ".........1........."), ("\\u00e91", ".........1........."),
    ("\\x61", ".............1....."), ("\\141", ".............1....."), ("a?b", "..............11..."),
    ("a*b", "..............111.."), ("a+b", "...............11.."), ("a{2}b", "................1.."),
    ("a{1,}b", "...............11.."), ("a{,1}b", "..............11..."), ("a{,}b", "..............111.."),
    ("a{x}b", "..................."), ("(aa|b)+", "..............1.1.."), ("(a*)*b", "..............111.."),
    ("(?:a|q_proj)", "11.11..1.....1....."), ("(?P<n>a)b", "...............1..."),
    ("\\bq_proj\\b", "11.11..1..........."), ("\\Bq_proj", "..................."),
    ("q_proj\\Z", "11.11.............."), ("q_proj$", "11.11..1..........."),
    ("m\\..*q_proj", ".1111...1.........."), ("layers\\.(1|2)\\..*", "...1..............."),
    ("layers\\.\\d{2}\\.q_proj", "....1.............."), ("[]a]", ".............1....."),
    ("[a-]", ".............1....."), ("[^]b]+b?", "111111.1111111.1111"), ("[\\w.]+proj", "11111..11...1......"),
    ("(?#no)a", ".............1....."), ("(|a)b", "..............11..."), ("()a", ".............1....."),
    ("q_proj\n", ".......1..........."), ("a\nb.q_proj", "......1............"),
    ("a\\nb.q_proj", "......1............"), ("(.*\\.)?q_proj$", "11.11..1..........."),
    ("\\Am.q_proj", ".1................."), ("a{0}b", "..............1...."), ("q_proj.", "..................."),
    ("}", "..................."), ("q]", "..................."), ("x.y", "..................1"),
    ("x\\ y", "..................1"), ("m", "..................."), ("m.", ".................1."), ("(", nil),
    ("a)", nil), ("[a", nil), ("*", nil), ("a**", nil), ("a{2,1}", nil), ("^*", nil), ("\\b+", nil), ("a|*", nil),
    ("\\q", nil), ("[b-a]", nil), ("[\\d-z]", nil), ("(?P<1>a)", nil), ("(?P<n>a)(?P<n>b)", nil), ("(?Pa)", nil),
    ("(?", nil), ("\\x6", nil), ("[\\A]", nil), ("a\\", nil), ("\\U00110000", nil), ("(?#a", nil), ("\\400", nil),
    ("a{4294967295}", nil),
  ]

  private func hits(_ key: String) throws -> String {
    let table = try PatternTable([(key: key, value: 0)])
    var budget = MatchBudget()
    return try Self.names.map { try table.firstMatch($0, budget: &budget) == nil ? "." : "1" }.joined()
  }

  private func problem(_ key: String) throws -> PatternProblem {
    try #require(throws: PatternTable<Int>.Failure.self) { _ = try PatternTable([(key: key, value: 0)]) }.problem
  }

  @Test(arguments: python) func agreesWithPython(key: String, expected: String?) throws {
    if let expected {
      #expect(try hits(key) == expected)
    } else {
      guard case .invalid = try problem(key) else { return #expect(Bool(false), "refused otherwise: \(key)") }
    }
  }

  /// Keys without metacharacters are looked up in a tree: the automaton must say the same.
  @Test(arguments: python.filter { LiteralPatterns.scalars(of: $0.key) != nil })
  func theTreeAgreesWithTheAutomaton(key: String, expected: String?) throws {
    let pattern = try PythonPattern(key: key)
    var budget = MatchBudget()
    let hits = try Self.names.map {
      try pattern.matches($0.unicodeScalars.map(\.value), budget: &budget) ? "1" : "."
    }
    #expect(hits.joined() == expected)
  }

  @Test(arguments: [
    "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", "(a)\\1", "(?P=n)", "(?i)a", "(?i:a)", "(?>a)", "(a)?(?(2)b|c)", "a++",
    "a*+", "\\N{DIGIT ONE}",
  ])
  func constructsBeyondRegularLanguagesAreRefused(key: String) throws {
    guard case .unsupported = try problem(key) else { return #expect(Bool(false), "refused otherwise: \(key)") }
  }

  @Test func theFirstKeyOfTheFileCounts() throws {
    var budget = MatchBudget()
    let keys = ["v_proj", "q_.*", "m.q_proj", "q_proj", ".*"]
    let table = try PatternTable(keys.map { (key: $0, value: 0) })
    #expect(try table.firstMatch("m.q_proj", budget: &budget) == 1)
    #expect(try table.firstMatch("v_proj", budget: &budget) == 0)
    #expect(try table.firstMatch("o_proj", budget: &budget) == 4)
    let literal = try PatternTable(["q.proj", "q_proj", "q_.*"].map { (key: $0, value: 0) })
    #expect(try literal.firstMatch("m.q_proj", budget: &budget) == 0)
  }

  @Test func aKeyThatIsThePathCountsWhereNoPatternMatches() throws {
    var budget = MatchBudget()
    let table = try PatternTable([(key: "a+b", value: 0)])
    #expect(try table.firstMatch("a+b", budget: &budget) == 0)
    #expect(try table.firstMatch("m.a+b", budget: &budget) == nil)
  }

  @Test func manyFullPathsAreQuick() throws {
    let paths = (0..<1000).map { "model.layers.\($0).self_attn.q_proj" }
    let table = try PatternTable(paths.enumerated().map { (key: $0.element, value: $0.offset) })
    var budget = MatchBudget(200_000)
    for (index, path) in paths.enumerated() { #expect(try table.firstMatch(path, budget: &budget) == index) }
  }

  @Test func hostilePatternsEnd() throws {
    var budget = MatchBudget(2_000_000)
    let text = String(repeating: "a", count: 500)
    for key in ["(a*)*b", "(a|aa)+b", "(a|a)*(a|a)*b", "((a?){40}){20}b"] {
      let table = try PatternTable([(key: key, value: 0)])
      #expect(try table.firstMatch(text, budget: &budget) == nil, "\(key)")
    }
    #expect(throws: PatternProblem.tooCostly(limit: 100)) {
      var small = MatchBudget(100)
      _ = try PatternTable([(key: "(a*)*b", value: 0)]).firstMatch(text, budget: &small)
    }
    #expect(try problem("a{5000}{1}") == .invalid("multiple repeat"))
    #expect(try problem("(a{1000}){1000}") == .tooLarge(limit: 10_000))
    #expect(try problem(String(repeating: "(", count: 100_000)) == .tooDeep(limit: 200))
    #expect(try hits("((((){9999}){9999}){9999}){9999}a") == hits("a"))
  }
}
