import Adapters
import MergeEngine
import MergePlanning
import Platform

/// A report as one HTML page that needs no network. Without scripts it shows the same, but its tables cannot be sorted.
public struct ReportPage {
  /// The page's text: HTML that is well-formed XML too; all text from the report is escaped.
  public let html: [UInt8]

  /// The maximum number of tensors listed; the page states how many are left out.
  static let listedTensorLimit = 5000
  /// The maximum number of cells with a tooltip; with more the page would be too large.
  static let describedCellLimit = 4000

  public init(_ report: ReportDocument) {
    var writer = HTMLWriter()
    writer.open("html", [("lang", "en")])
    writer.open("head")
    writer.empty("meta", [("charset", "utf-8")])
    writer.empty("meta", [("name", "viewport"), ("content", "width=device-width, initial-scale=1")])
    writer.empty("meta", [("http-equiv", "Content-Security-Policy"), ("content", PageScript.policy)])
    writer.element("title", "\(Self.name(report.output)) - merge report")
    writer.style(PageStyle.sheet)
    writer.close()
    writer.open("body")
    writer.open("main")
    Self.writeHead(report, &writer)
    Self.writeSums(report, &writer)
    Self.writeNotes(report, &writer)
    Self.writeAdapters(report, &writer)
    MapSection.write(report, &writer)
    HistogramSection.write(report, &writer)
    TensorSection.write(report, &writer)
    ProvenanceSection.write(report, &writer)
    writer.close()
    writer.script(PageScript.source)
    writer.close()
    writer.close()
    html = writer.bytes
  }

  /// The last component of a path.
  private static func name(_ path: String) -> String {
    let parts = path.utf8.split(separator: UInt8(ascii: "/"))
    return parts.last.map { String(Substring($0)) } ?? path
  }

  private static func writeHead(_ report: ReportDocument, _ writer: inout HTMLWriter) {
    writer.open("header")
    writer.element("p", "Merge report", [("class", "kicker")])
    writer.element("h1", name(report.output))
    writer.open("p", [("class", "lead")])
    writer.element("code", report.base, breaksLine: false)
    for adapter in report.adapters {
      writer.text(" + ")
      if !adapter.weights.isOne { writer.text("\(adapter.weights.label) × ") }
      writer.element("code", adapter.path, breaksLine: false)
    }
    writer.close()
    writer.close()
  }

  private static func writeSums(_ report: ReportDocument, _ writer: inout HTMLWriter) {
    writer.open("dl", [("class", "tiles")])
    for sum in report.actionSums where sum.tensorCount > 0 {
      writeTile(
        "tensors \(sum.participle)", NumberText.grouped(sum.tensorCount), NumberText.bytes(sum.byteCount), &writer)
    }
    if report.actionSums.isEmpty {
      writeTile("tensors merged", NumberText.grouped(report.tensors.count), nil, &writer)
    }
    writeTile(
      "elements changed", PageNumbers.percent(report.totals.changedShare),
      "of \(NumberText.grouped(report.totals.elementCount))", &writer)
    writeTile(
      "relative change ‖ΔW‖/‖W‖", PageNumbers.percent(report.totals.deltaToBase), "of the weights' norm", &writer)
    writeTile("lost to rounding", PageNumbers.percent(report.totals.roundingLoss), "of the change", &writer)
    writer.close()
  }

  private static func writeTile(_ label: String, _ value: String, _ note: String?, _ writer: inout HTMLWriter) {
    writer.open("div")
    writer.element("dt", label)
    writer.open("dd")
    writer.element("strong", value, breaksLine: false)
    if let note { writer.element("span", note, breaksLine: false) }
    writer.close()
    writer.close()
  }

  private static func writeNotes(_ report: ReportDocument, _ writer: inout HTMLWriter) {
    for (kind, lines) in [("warning", report.warnings), ("advice", report.advice)] {
      for line in lines {
        writer.open("p", [("class", "note \(kind)")])
        writer.element("strong", kind == "warning" ? "Warning" : "Advice", breaksLine: false)
        writer.text(" \(line)")
        writer.close()
      }
    }
  }

  /// Ranks and scalings, each with its number of modules.
  private static func writeAdapters(_ report: ReportDocument, _ writer: inout HTMLWriter) {
    guard !report.adapters.isEmpty else { return }
    writer.element("h2", "What was merged")
    writer.open("div", [("class", "scroll")])
    writer.open("table", [("class", "plain")])
    writer.open("thead")
    writer.open("tr")
    for title in ["Adapter", "Weight", "Modules", "r", "alpha", "Scaling"] {
      writer.element("th", title, [("scope", "col")], breaksLine: false)
    }
    writer.close()
    writer.close()
    writer.open("tbody")
    for (number, adapter) in report.adapters.enumerated() {
      var order: [ScalingGroup] = []
      var counts: [ScalingGroup: Int] = [:]
      for module in report.modules where module.adapter == number {
        let group = ScalingGroup(rank: module.rank, alpha: module.alpha, scaling: module.scaling)
        if counts[group] == nil { order.append(group) }
        counts[group, default: 0] += 1
      }
      let groups = order.isEmpty ? [nil] : order.map(Optional.some)
      for (place, group) in groups.enumerated() {
        writer.open("tr")
        writer.element("td", place == 0 ? adapter.path : "", [("class", "name")], breaksLine: false)
        let cells =
          [place == 0 ? adapter.weights.label : ""]
          + (group.map { group in
            [NumberText.grouped(counts[group] ?? 0), group.rank.map { String($0) } ?? ""]
              + [group.alpha, group.scaling].map { $0.map(NumberText.number) ?? "" }
          } ?? ["0", "", "", ""])
        for cell in cells { writer.element("td", cell, breaksLine: false) }
        writer.close()
      }
    }
    writer.close()
    writer.close()
    writer.close()
  }

  private struct ScalingGroup: Hashable {
    let rank: Int?
    let alpha: Double?
    let scaling: Double?
  }
}

/// Number formats of the page.
enum PageNumbers {
  /// `12.3 %`; a dash if there is no number.
  static func percent(_ share: Double?) -> String { share.map(ReportNumbers.percent) ?? "–" }

  /// A share in percent in at most four characters, without the sign: `12`, `1.2`, `.12`, `.01`, `<.01`.
  static func short(_ share: Double?) -> String {
    guard let share, share.isFinite else { return "–" }
    let percent = share * 100
    if percent == 0 { return "0" }
    if percent >= 9999.5 { return ">999" }
    if percent >= 9.95 { return String(Int(percent.rounded())) }
    if percent >= 0.995 {
      let tenths = Int((percent * 10).rounded())
      return "\(tenths / 10).\(tenths % 10)"
    }
    let hundredths = Int((percent * 100).rounded())
    return hundredths == 0 ? "<.01" : hundredths < 10 ? ".0\(hundredths)" : ".\(hundredths)"
  }
}
