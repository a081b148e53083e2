import MergeEngine
import Platform

/// The heat maps: what changed, and what rounding lost, by layers and kinds of tensors.
enum MapSection {
  private struct Measure: Sendable {
    let title: String
    let explanation: String
    let style: String
    let scale: ColorScale
    /// What the colors say from the scale's noticeable step on.
    let attention: String
    let value: @Sendable (HeatMap.Cell) -> Double?
  }

  private static let measures = [
    Measure(
      title: "Change", explanation: "% of the weight's norm", style: "change", scale: .change,
      attention: "suspicious", value: { $0.deltaToBase }),
    Measure(
      title: "Lost to rounding", explanation: "% of the change", style: "loss", scale: .loss,
      attention: "noticeable", value: { $0.roundingLoss }),
  ]

  static func write(_ report: ReportDocument, _ writer: inout HTMLWriter) {
    let (maps, _) = HeatMap.maps(report.tensors)
    guard !maps.isEmpty else { return }
    writer.element("h2", "Layers")
    let cellCount = maps.reduce(0) { $0 + $1.layers.count * $1.kinds.count }
    for map in maps {
      if maps.count > 1 || !map.stack.isEmpty {
        writer.open("h3")
        writer.element("code", map.stack.isEmpty ? "(no name)" : map.stack, breaksLine: false)
        writer.close()
      }
      writer.open("div", [("class", "maps")])
      for measure in measures {
        write(map, measure, describesCells: cellCount <= ReportPage.describedCellLimit, &writer)
      }
      writer.close()
    }
  }

  private static func write(
    _ map: HeatMap, _ measure: Measure, describesCells: Bool, _ writer: inout HTMLWriter
  ) {
    writer.open("div", [("class", "map")])
    writer.open("p")
    writer.element("strong", measure.title, breaksLine: false)
    writer.text(", \(measure.explanation)")
    writer.close()
    writer.open("div", [("class", "scroll")])
    writer.open(
      "table", [("class", "heat \(measure.style)"), ("aria-label", "\(measure.title), \(measure.explanation)")])
    writer.open("thead")
    writer.open("tr")
    writer.element("th", "layer", [("scope", "col"), ("class", "corner")], breaksLine: false)
    for kind in map.kinds {
      writer.open("th", [("scope", "col")])
      writer.element("span", kind, breaksLine: false)
      writer.close(breaksLine: false)
    }
    writer.close()
    writer.close()
    writer.open("tbody")
    for (layer, cells) in zip(map.layers, map.cells) {
      writer.open("tr")
      writer.element("th", String(layer), [("scope", "row")], breaksLine: false)
      for (kind, cell) in zip(map.kinds, cells) {
        guard let cell else {
          writer.element("td", "·", [("class", "missing")], breaksLine: false)
          continue
        }
        let value = measure.value(cell)
        var attributes: [HTMLWriter.Attribute] = [
          ("class", value.flatMap(measure.scale.step).map { "s\($0)" } ?? (value == 0 ? "zero" : "none"))
        ]
        if describesCells {
          let count = cell.tensorCount > 1 ? " (\(NumberText.counted(cell.tensorCount, "tensor")))" : ""
          attributes.append(("title", "layer \(layer), \(kind)\(count): \(PageNumbers.percent(value))"))
        }
        writer.element("td", PageNumbers.short(value), attributes, breaksLine: false)
      }
      writer.close()
    }
    writer.close()
    writer.close()
    writer.close()
    writeLegend(measure, &writer)
    writer.close()
  }

  private static func writeLegend(_ measure: Measure, _ writer: inout HTMLWriter) {
    let edges = measure.scale.edges
    writer.open("div", [("class", "legend \(measure.style)")])
    writer.element("span", "<\(PageNumbers.short(edges[0]))", [("class", "s0")], breaksLine: false)
    for (place, edge) in edges.enumerated() {
      writer.element("span", PageNumbers.short(edge), [("class", "s\(place + 1)")], breaksLine: false)
    }
    let noticeable = PageNumbers.short(edges[measure.scale.noticeableStep - 1])
    writer.element("em", "% and more; from \(noticeable) % on \(measure.attention)", breaksLine: false)
    writer.close()
  }
}
