import Adapters
import MergeEngine
import MergePlanning
import Platform

/// Where the result comes from: program, inputs, options and files.
enum ProvenanceSection {
  static func write(_ report: ReportDocument, _ writer: inout HTMLWriter) {
    writer.element("h2", "Provenance")
    writer.open("dl", [("class", "facts")])
    fact("Program", report.program, &writer)
    fact("Base", report.base, &writer)
    for adapter in report.adapters {
      fact(
        "Adapter", adapter.path + (adapter.weights.isOne ? "" : ", weight \(adapter.weights.label)"), &writer)
    }
    fact("Result", report.output, &writer)
    fact("Options", report.options.map { "\($0.name) \($0.value)" }.joined(separator: ", "), &writer)
    writer.close()
    guard !report.files.isEmpty else { return }
    writer.open("div", [("class", "scroll")])
    writer.open("table", [("class", "plain sortable")])
    writer.open("thead")
    writer.open("tr")
    for (title, isNumber) in [("File", false), ("Bytes", true), ("SHA-256", false)] {
      writer.element(
        "th", title, isNumber ? [("scope", "col"), ("class", "number")] : [("scope", "col")], breaksLine: false)
    }
    writer.close()
    writer.close()
    writer.open("tbody")
    for file in report.files {
      writer.open("tr")
      writer.element("td", file.name, [("class", "name")], breaksLine: false)
      writer.element("td", NumberText.grouped(file.byteCount), breaksLine: false)
      writer.element("td", file.checksum ?? "not computed", [("class", "hash")], breaksLine: false)
      writer.close()
    }
    writer.close()
    writer.close()
    writer.close()
  }

  private static func fact(_ name: String, _ value: String, _ writer: inout HTMLWriter) {
    writer.element("dt", name, breaksLine: false)
    writer.element("dd", value)
  }
}
