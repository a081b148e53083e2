import Foundation
import Testing

@testable import SafemergeCLI

/// Tables and lines on terminals of 60, 80 and 120 columns.
@Suite struct LayoutTests {
  private static let names = (0..<12).flatMap { layer in
    ["self_attn.q_proj", "mlp.down_proj"].map { "model.layers.\(layer).\($0).weight" }
  }

  /// The tensors of four shards, as `ls` lists them.
  private static var listing: TextTable {
    var table = TextTable(
      [.name("NAME"), .left("DTYPE"), .left("SHAPE"), .right("SIZE"), .name("FILE", leastWidth: 14)])
    for (number, name) in names.enumerated() {
      for cell in [name, "BF16", "[4096, 14336]", "112.0 MiB", "model-0000\(number % 4 + 1)-of-00004.safetensors"] {
        table.add(cell)
      }
    }
    return table
  }

  /// Tensors of a merge with their verdicts, as `check` lists them.
  private static var verdicts: TextTable {
    var table = TextTable([.name("TENSOR"), .left("DTYPE"), .right("MAX ERROR"), .sentence("VERDICT")])
    let texts = [
      "OK: exact", "WRONG: the delta was added with too large a scaling: nearly all elements are off to that side",
    ]
    for (number, name) in names.enumerated() {
      for cell in [name, "BF16", "0.500 ulp", texts[number % 2]] { table.add(cell) }
    }
    return table
  }

  /// Every word of the text is one of the table's, or a name with an ellipsis.
  private func expectWholeWords(_ text: String, of table: TextTable, width: Int) {
    let words = Set(table.text(width: nil).split(whereSeparator: \.isWhitespace).map(String.init))
    let titles = Set(words.map { $0.lowercased() })
    for line in text.split(separator: "\n") {
      #expect(line.unicodeScalars.count <= width, "\(line)")
      for word in line.split(separator: " ").map(String.init) where !words.contains(word) && !titles.contains(word) {
        let parts = word.split(separator: "…", omittingEmptySubsequences: false)
        #expect(parts.count == 2, "\(word)")
        #expect(words.contains { $0.hasPrefix(parts[0]) && $0.hasSuffix(parts[parts.count - 1]) }, "\(word)")
      }
    }
  }

  @Test(arguments: [60, 80, 120]) func tablesFit(width: Int) {
    for table in [Self.listing, Self.verdicts] { expectWholeWords(table.text(width: width), of: table, width: width) }
  }

  /// Nothing is shortened in a pipe or a file.
  @Test func otherProgramsGetEverything() {
    for table in [Self.listing, Self.verdicts] {
      #expect(!table.text(width: nil).contains("…"))
      #expect(table.text(width: nil) == table.text(width: 1000))
      #expect(table.text(width: nil).split(separator: "\n").count == Self.names.count + 1)
    }
  }

  @Test func namesKeepTheirNumberAndTheirEnd() {
    let lines = Self.listing.text(width: 80).split(separator: "\n")
    #expect(lines.count == Self.names.count + 1)
    #expect(lines[0].hasPrefix("NAME ") && lines[0].hasSuffix("FILE"))
    #expect(lines[24].contains("…11.mlp.down_proj.weight  ") && lines[24].contains("  model-00004…"), "\(lines[24])")
  }

  @Test func narrowScreensGetBlocks() {
    var table = TextTable([.left(""), .name("TENSOR"), .left("DTYPE"), .right("CHANGED"), .left("SHAPE")])
    for cell in ["~", "model.layers.0.self_attn.q_proj.weight", "BF16", "97.6 %", "[4096, 4096]"] { table.add(cell) }
    for cell in ["+", "a", "F32 -> BF16", "", "[1, 2, 3, 4, 5, 6, 7, 8, 9]"] { table.add(cell) }
    #expect(
      table.text(width: 45) == """
        ~ model.layers.0.self_attn.q_proj.weight
          dtype BF16  changed 97.6 %
          shape [4096, 4096]
        + a
          dtype F32 -> BF16
          shape [1, 2, 3, 4, 5, 6, 7, 8, 9]

        """)
    #expect(!table.text(width: 120).contains("dtype"), "a table that fits stays one")
    var small = TextTable([.name("NAME"), .right("SIZE")])
    for cell in ["a", "1 B"] { small.add(cell) }
    #expect(small.text(width: 60) == "NAME  SIZE\na      1 B\n")
  }

  @Test func sentencesHaveMarginsWhereTheyAreWrapped() {
    let lines = Self.verdicts.text(width: 80).split(separator: "\n")
    let start =
      lines[0].range(of: "VERDICT").map { lines[0].distance(from: lines[0].startIndex, to: $0.lowerBound) } ?? 0
    let wrapped = lines.filter { $0.hasPrefix(String(repeating: " ", count: start)) }
    #expect(!wrapped.isEmpty && wrapped.allSatisfy { $0.dropFirst(start).first != " " })
  }

  @Test(
    arguments: [
      ("model.layers.10.self_attn.q_proj.weight", 30, "mod…10.self_attn.q_proj.weight"),
      ("model-00003-of-00004.safetensors", 18, "model-00003…ensors"),
      ("model-00003-of-00004.safetensors", 14, "model-00003…rs"), ("abcdefgh", 8, "abcdefgh"),
      ("abcdefgh", 5, "ab…gh"),
      ("    self_attn.q_proj.weight", 16, "    sel…j.weight"), ("abc", 1, "…"), ("abc", 0, ""), ("日本語日本語", 3, "日…語"),
    ] as [(String, Int, String)])
  func shortNames(name: String, width: Int, text: String) { #expect(ShortName.of(name, width: width) == text) }

  @Test(arguments: [1, 2, 3, 7, 20, 40]) func shortNamesFit(width: Int) {
    for name in Self.names + ["1", "a1b", String(repeating: "9", count: 60), "        x.y.z"] {
      #expect(ShortName.of(name, width: width).unicodeScalars.count <= width, "\(name)")
    }
  }

  @Test func linesBreakBetweenWords() {
    let line = "base      ./a/model   4 shards, 21 tensors, BF16, 44.4 KiB"
    #expect(
      Screen.wrapped(line, width: 40, indentation: 10) == [
        "base      ./a/model   4 shards, 21", "          tensors, BF16, 44.4 KiB",
      ])
    #expect(Screen.wrapped(line, width: 80) == [line])
    #expect(Screen.plain.wrapped(line) == [line])
    // A word that is wider than a line stays whole, and has no spaces before it.
    #expect(
      Screen.wrapped("error: /a/very/long/path is bad", width: 12) == ["error:", "/a/very/long/path", "  is bad"])
    #expect(Screen.wrapped("  indented words that wrap", width: 16) == ["  indented words", "  that wrap"])
    #expect(Screen.wrapped("all of 100 % is right", width: 10) == ["all of", "  100 % is", "  right"])
    #expect(
      Screen.wrapped("of shape [16, 20] with 4 KiB, too", width: 12) == [
        "of shape", "  [16, 20]", "  with", "  4 KiB, too",
      ])
    #expect(Screen.wrapped("it has [other words] here", width: 14) == ["it has [other", "  words] here"])
  }

  @Test func colorsAreMarksOnly() {
    var table = TextTable([.name("TENSOR"), .sentence("VERDICT")], style: TextStyle(isColored: true))
    table.add("a.weight")
    table.add("WRONG: the delta was added twice and nobody noticed that", emphasis: .error)
    for width in [nil, 30, 62] as [Int?] {
      let text = table.text(width: width)
      #expect(text.contains("\u{1b}[1;31mWRONG:"), "\(text)")
      // No line begins or ends inside of a mark.
      for line in text.split(separator: "\n") {
        #expect(line.components(separatedBy: "\u{1b}[").count % 2 == 1, "\(line)")
      }
    }
  }
}
