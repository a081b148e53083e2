import MergeEngine
import Platform

/// Every tensor with its figures.
enum TensorSection {
  /// The titles, and whether a column has numbers.
  private static let columns = [
    ("Tensor", false), ("dtype", false), ("Shape", false), ("Changed", true), ("Norm of the change", true),
    ("Of the weight", true), ("Lost", true),
  ]

  static func write(_ report: ReportDocument, _ writer: inout HTMLWriter) {
    guard !report.tensors.isEmpty else { return }
    writer.element("h2", "Tensors")
    let shown = report.tensors.sorted { NaturalOrder.precedes($0.name, $1.name) }
      .prefix(ReportPage.listedTensorLimit)
    if shown.count < report.tensors.count {
      writer.element(
        "p",
        "The first \(NumberText.grouped(shown.count)) of \(NumberText.grouped(report.tensors.count)); the report as JSON "
          + "has all of them.")
    }
    writer.open("table", [("class", "tensors sortable")])
    writer.open("thead")
    writer.open("tr")
    for (title, isNumber) in columns {
      writer.element(
        "th", title, isNumber ? [("scope", "col"), ("class", "number")] : [("scope", "col")], breaksLine: false)
    }
    writer.close()
    writer.close()
    writer.open("tbody")
    for tensor in shown { write(tensor, &writer) }
    writer.close()
    writer.close()
  }

  private static func write(_ tensor: ReportDocument.Tensor, _ writer: inout HTMLWriter) {
    let figures = tensor.figures
    writer.open("tr")
    writer.element("th", tensor.name, [("scope", "row")], breaksLine: false)
    let cells = [
      tensor.baseDType == tensor.dtype ? tensor.dtype : "\(tensor.baseDType) → \(tensor.dtype)",
      tensor.shape.map { $0.map(String.init).joined(separator: " × ") } ?? "–",
      PageNumbers.percent(figures.changedShare), ReportNumbers.significant(figures.deltaNorm),
      PageNumbers.percent(figures.deltaToBase),
    ]
    for cell in cells { writer.element("td", cell, breaksLine: false) }
    let isNoticeable = (figures.roundingLoss ?? 0) > MergeReport.noticeableLoss
    writer.element(
      "td", PageNumbers.percent(figures.roundingLoss), isNoticeable ? [("class", "alert")] : [], breaksLine: false)
    writer.close()
  }
}
