import Checksums
import Foundation
import JSONText
import TestSupport
import Testing

@testable import Reports

#if canImport(FoundationXML)
import FoundationXML
#endif

/// A page, read by a parser of XML.
final class PageReader: NSObject, XMLParserDelegate {
  private(set) var elements: [(name: String, attributes: [String: String])] = []
  private(set) var text = ""
  private(set) var scripts: [String] = []
  private var isInScript = false
  private(set) var problem: (any Error)?

  init(_ html: [UInt8]) {
    super.init()
    let parser = XMLParser(data: Data(html))
    parser.delegate = self
    if !parser.parse() { problem = parser.parserError ?? CocoaError(.fileReadCorruptFile) }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    elements.append((name, attributes))
    isInScript = name == "script"
    if isInScript { scripts.append("") }
  }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) { isInScript = false }

  func parser(_ parser: XMLParser, foundCharacters string: String) {
    if isInScript { scripts[scripts.count - 1] += string } else { text += string }
  }

  func count(_ name: String) -> Int { elements.count { $0.name == name } }
}

/// Expects that the page is well-formed, refers to nothing outside of it and runs no script but its own; returns it.
@discardableResult
func expectSelfContained(_ html: [UInt8], location: SourceLocation = #_sourceLocation) -> PageReader {
  let page = PageReader(html)
  #expect(page.problem == nil, "\(String(describing: page.problem))", sourceLocation: location)
  let allowed: Set<String> = [
    "html", "head", "meta", "title", "style", "body", "main", "header", "p", "h1", "h2", "h3", "code", "dl", "div",
    "dt", "dd", "strong", "span", "em", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption",
    "svg",
    "rect", "line", "text", "script",
  ]
  #expect(Set(page.elements.map(\.name)).subtracting(allowed) == [], sourceLocation: location)
  let attributes = Set(page.elements.flatMap(\.attributes.keys))
  let harmless: Set<String> = [
    "lang", "charset", "name", "content", "http-equiv", "class", "scope", "title", "viewBox", "role", "aria-label", "x",
    "y", "width", "height", "rx", "x1", "y1", "x2", "y2", "text-anchor",
  ]
  #expect(attributes.subtracting(harmless) == [], sourceLocation: location)
  for word in ["url(", "@import", "expression("] {
    let sheet = PageStyle.sheet.description
    #expect(!sheet.contains(word), sourceLocation: location)
  }
  let policy = page.elements.first { $0.attributes["http-equiv"] == "Content-Security-Policy" }
  let hash = Data(SHA256Checksum(of: Array(PageScript.source.description.utf8)).bytes).base64EncodedString()
  #expect(
    policy?.attributes["content"] == "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-\(hash)'",
    sourceLocation: location)
  #expect(page.scripts == [PageScript.source.description], sourceLocation: location)
  #expect(page.count("style") == 1 && page.count("html") == 1, sourceLocation: location)
  return page
}

@Suite struct PageTests {
  @Test func showsWhatTheReportHas() throws {
    var text = ReportText()
    text.tensors = (0..<4).flatMap { layer in
      ["self_attn.q_proj", "mlp.up_proj"].map { kind in
        ("model.layers.\(layer).\(kind).weight", 0.01 * Double(layer + 1), kind == "mlp.up_proj" ? 0.2 : 0.02)
      }
    }
    text.tensors.append(("lm_head.weight", nil, nil))
    text.warnings = ["something is odd"]
    let page = expectSelfContained(ReportPage(try text.document()).html)
    for words in [
      "merged", "./base", "./adapter", "something is odd", "model.layers", "self_attn.q_proj", "mlp.up_proj",
      "lm_head.weight", "model.layers.3.mlp.up_proj.weight", "Lost to rounding", "dtype same", "safemerge 0", "1.75",
    ] { #expect(page.text.contains(words), "\(words)") }
    // Two maps of four layers and two kinds; three histograms; a row for each tensor.
    let cells = page.elements.filter { $0.name == "td" && $0.attributes["title"] != nil }
    #expect(cells.count == 16)
    #expect(cells.contains { $0.attributes["title"] == "layer 3, mlp.up_proj: 4.00 %" })
    #expect(page.count("svg") == 3)
    #expect(page.elements.count { $0.name == "th" && $0.attributes["scope"] == "row" } == 9 + 2 * 4)
    #expect(page.elements.count { $0.attributes["class"] == "alert" } == 4)
  }

  /// Names come from files, and files from anywhere.
  @Test(arguments: [
    "</title><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)", "&amp;&lt;",
    "]]><!--", "\u{1b}[31m\u{202e}\u{0}\u{85}", "\u{FFFE}\u{FFFF}\u{FFFD}", "é\u{301}日本\u{1F600}", "", ".", "..1.", "1",
  ])
  func namesAreText(name: String) throws {
    var text = ReportText()
    text.base = name
    text.warnings = [name]
    text.tensors = [
      (name, 0.1, 0.2), ("\(name).0.\(name).weight", 0.01, 0), ("a.1.\(name)", 1e-300, 1), ("b.2.\(name)", 0, nil),
    ]
    let html = ReportPage(try text.document()).html
    let page = expectSelfContained(html)
    #expect(page.count("script") == 1 && page.count("img") == 0)
    let shown = name.escapingUnprintable.replacingOccurrences(of: "\u{FFFE}", with: "\u{FFFD}")
      .replacingOccurrences(of: "\u{FFFF}", with: "\u{FFFD}")
    #expect(page.text.contains("a.1.\(shown)"))
  }

  @Test func tensorsAreInNaturalOrderAndSortable() throws {
    var text = ReportText()
    text.tensors = ["b.10.w", "b.9.w", "a.w"].map { ($0, 0.1, 0.1) }
    let html = ReportPage(try text.document()).html
    let page = expectSelfContained(html)
    let rows = String(decoding: html, as: UTF8.self).split(separator: "<th scope=\"row\">").dropFirst()
    #expect(rows.suffix(3).map { $0.prefix { $0 != "<" } } == ["a.w", "b.9.w", "b.10.w"])
    #expect(page.elements.contains { $0.name == "table" && $0.attributes["class"] == "tensors sortable" })
    #expect(page.elements.count { $0.name == "th" && $0.attributes["class"] == "number" } >= 4)
    // The titles are buttons only where scripts run.
    #expect(page.count("button") == 0)
  }

  /// Numbers at the ends of what a report may hold.
  @Test func extremeNumbers() throws {
    var text = ReportText()
    text.tensors = [
      ("a.0.w", 1e306, 1e308), ("a.1.w", 1e-308, .leastNonzeroMagnitude), ("a.2.w", 0, 0), ("a.3.w", nil, nil),
      ("a.4.w", 1, 1),
      ("a.999999999.w", 0.5, 0.5), ("a.9999999999.w", 0.5, 0.5), ("a.18446744073709551616.w", 0.5, 0.5),
    ]
    expectSelfContained(ReportPage(try text.document()).html)
    text.tensors = []
    let empty = expectSelfContained(ReportPage(try text.document()).html)
    #expect(empty.count("svg") == 0)
  }

  @Test func largeReportsAreCut() throws {
    var text = ReportText()
    text.tensors = (0..<6000).map { ("model.layers.\($0 / 60).experts.\($0 % 60).up_proj.weight", 0.01, 0.1) }
    let page = expectSelfContained(ReportPage(try text.document()).html)
    #expect(page.text.contains("The first 5,000 of 6,000"))
    // The experts of a layer are one cell.
    #expect(page.text.contains("experts.*.up_proj"))
    #expect(page.elements.contains { $0.attributes["title"] == "layer 99, experts.*.up_proj (60 tensors): 1.00 %" })
  }
}

@Suite struct HeatMapTests {
  @Test(arguments: [
    ("model.layers.3.self_attn.q_proj.weight", "model.layers", 3, "self_attn.q_proj"),
    ("h.11.attn.c_attn.bias", "h", 11, "attn.c_attn.bias"), ("0.weight", "", 0, "weight"),
    ("encoder.block.0.layer.1.wi.weight", "encoder.block", 0, "layer.1.wi"),
    ("model.layers.07.x", "model.layers", 7, "x"), ("blk.2a.3.x", "blk.2a", 3, "x"),
  ])
  func places(name: String, stack: String, layer: Int, kind: String) throws {
    let place = try #require(HeatMap.Place(name))
    #expect(place.stack == stack && place.layer == layer && place.kind == kind)
  }

  @Test(arguments: ["lm_head.weight", "", "weight", "layers.3", "layers.9999999999.x", "a.-1.b", "a.1 .b"])
  func noPlaces(name: String) { #expect(HeatMap.Place(name) == nil) }

  /// Norms of several tensors are those of all their elements together.
  @Test func cellsAreNormsOfAllTheirTensors() throws {
    func figures(_ delta: Double, _ base: Double, _ loss: Double?) -> ReportDocument.Figures {
      .init(
        elementCount: 1, changedCount: 1, deltaNorm: delta, baseNorm: base, deltaToBase: delta / base,
        roundingLoss: loss)
    }
    var cell = HeatMap.Cell()
    cell.add(figures(3, 12, 0.5))
    cell.add(figures(4, 5, 0.25))
    #expect(cell.deltaToBase == 5.0 / 13)
    #expect(abs((cell.roundingLoss ?? 0) - (1.5 * 1.5 + 1).squareRoot() / 5) < 1e-12)
    var zero = HeatMap.Cell()
    zero.add(figures(0, 0, nil))
    #expect(zero.deltaToBase == nil && zero.roundingLoss == nil)
  }

  @Test func stacksAndLayersInOrder() throws {
    var text = ReportText()
    text.tensors = ["b.10.x", "b.2.x", "a.0.y.weight", "b.2.z", "head"].map { ($0, 0.1, 0.1) }
    let (maps, others) = HeatMap.maps(try text.document().tensors)
    #expect(maps.map(\.stack) == ["b", "a"])
    #expect(maps[0].layers == [2, 10] && maps[0].kinds == ["x", "z"])
    #expect(maps[0].cells.map { $0.map { $0 != nil } } == [[true, true], [true, false]])
    #expect(others.map(\.name) == ["head"])
  }
}

@Suite struct ScaleTests {
  /// The same number has the same color in every report; only what is suspicious has the last one.
  @Test(
    arguments: [(1e-9, 0), (0.0009, 0), (0.0042, 2), (0.02, 3), (0.099, 4), (0.1001, 5), (0.29, 5), (0.31, 6), (50, 6)]
      as [(Double, Int)])
  func changesHaveFixedSteps(ratio: Double, step: Int) { #expect(ColorScale.change.step(ratio) == step) }

  @Test(
    arguments: [(1e-6, 0), (0.0042, 0), (0.02, 1), (0.05, 2), (0.11, 3), (0.3, 4), (0.5, 5), (1, 6)] as [(Double, Int)])
  func lossesHaveFixedSteps(loss: Double, step: Int) { #expect(ColorScale.loss.step(loss) == step) }

  @Test func scalesHaveAllSteps() {
    for scale in [ColorScale.change, .loss] {
      #expect(scale.edges.count == ColorScale.stepCount - 1 && scale.edges == scale.edges.sorted())
      #expect(scale.step(0) == nil && scale.step(-1) == nil && scale.step(.nan) == nil && scale.step(.infinity) == nil)
    }
    #expect(ColorScale.change.step(MergeReport.suspiciousRatio) == ColorScale.change.noticeableStep)
    #expect(ColorScale.loss.step(MergeReport.noticeableLoss) == ColorScale.loss.noticeableStep)
  }

  @Test func histogramsCountEverything() {
    let numbers = [0, 0, 1e-12, 0.001, 0.0011, 0.5, 0.99, 1, 2]
    let histogram = Histogram(logarithmic: numbers, mark: 0.1)
    #expect(histogram.zeroCount == 2)
    #expect(histogram.counts.reduce(0, +) == 7)
    #expect(histogram.ticks.first?.position == 0 && histogram.ticks.last?.position == 1)
    #expect(Histogram(logarithmic: [0.02, 0.03], mark: 0.3).mark == nil)
    #expect(Histogram(logarithmic: [0.02, 0.3], mark: 0.1).mark == 0.5)
    #expect(Histogram(logarithmic: [0], mark: 1).isEmpty)
    let shares = Histogram(shares: [0, 0.05, 0.95, 1])
    #expect(shares.counts == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2])
  }

  @Test(
    arguments: [
      (0, "0"), (1e-6, "<.01"), (0.000123, ".01"), (0.00123, ".12"), (0.0099, ".99"), (0.00996, "1.0"), (0.0123, "1.2"),
      (0.0994, "9.9"), (0.0996, "10"), (0.99, "99"), (12, "1200"), (1000, ">999"),
    ] as [(Double, String)])
  func shortPercent(share: Double, text: String) { #expect(PageNumbers.short(share) == text) }
}
