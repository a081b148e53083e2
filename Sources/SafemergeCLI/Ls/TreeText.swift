import JSONText
import MergeEngine
import Platform
import Reports
import Safetensors

/// `ls --tree`: the tensors by the parts of their names.
struct TreeText {
  private struct Row {
    let level: Int
    let label: String
    /// All parts from the root on.
    let path: String
    let node: NameTree.Node
    /// Whether its children are hidden.
    let isCut: Bool
  }

  private let tree: NameTree
  private let depth: Int
  private let showsBytes: Bool
  /// The text after the totals.
  var remarks = ""

  /// - Parameter depth: Depth that is shown; deeper parts are summed.
  init(_ tree: NameTree, depth: Int, showsBytes: Bool) {
    self.tree = tree
    self.depth = depth
    self.showsBytes = showsBytes
  }

  func write(to output: inout StandardOutput, screen: Screen) throws {
    var table = TextTable(
      [
        .name("NAME", leastWidth: 20), .right("TENSORS"), .right("PARAMETERS"), .right("SIZE"), .left("DTYPE"),
        .left("SHAPE"),
      ],
      style: screen.style)
    for row in rows {
      let node = row.node
      table.add(
        String(repeating: "  ", count: row.level) + row.label,
        emphasis: node.children.isEmpty ? .none : .strong)
      table.add(NumberText.grouped(node.sums.tensors))
      table.add(NumberText.grouped(node.sums.parameters))
      table.add(size(node.sums.bytes))
      table.add(Self.dtypes(node))
      table.add(shape(row).map(NumberText.shape) ?? "")
    }
    try table.write(to: &output, width: screen.width)
    for (type, sums) in tree.dtypeSums {
      try output.write(
        "\(type.name)  \(NumberText.counted(sums.tensors, "tensor")), "
          + "\(NumberText.counted(sums.parameters, "parameter")), \(size(sums.bytes))\n")
    }
    let sums = tree.sums
    let total =
      "\(NumberText.counted(sums.tensors, "tensor")), \(NumberText.counted(sums.parameters, "parameter")), "
      + "\(size(sums.bytes))\(remarks)"
    for line in screen.wrapped(total) { try output.write(line + "\n") }
  }

  /// Path, tensors, parameters, bytes, dtypes and shape (with commas), tab-separated.
  func writeTSV(to output: inout StandardOutput) throws {
    try output.write("path\ttensors\tparameters\tbytes\tdtype\tshape\n")
    for row in rows {
      let sums = row.node.sums
      let shape = shape(row)?.map(String.init).joined(separator: ",") ?? ""
      try output.write(
        "\(row.path.escapingUnprintable)\t\(sums.tensors)\t\(sums.parameters)\t\(sums.bytes)\t"
          + "\(Self.dtypes(row.node))\t\(shape)\n")
    }
  }

  /// The names of tensors with collapsed numbers, and of subtrees below the depth.
  func writeNames(to output: inout StandardOutput) throws {
    for row in rows where row.node.tensor != nil || row.isCut { try output.write(row.path.escapingUnprintable + "\n") }
  }

  /// Members of an object: totals, totals by dtype, children.
  func writeMembers(to writer: inout JSONWriter) {
    write(tree.sums, &writer)
    writer.member("dtypes") { writer in
      for (type, sums) in tree.dtypeSums { writer.member(type.name) { write(sums, &$0) } }
    }
    writer.list("children", tree.roots) { write($0, path: "", left: depth, &$1) }
  }

  private func write(_ sums: NameTree.Sums, _ writer: inout JSONWriter) {
    writer.member("tensors", sums.tensors)
    writer.member("parameters", sums.parameters)
    writer.member("bytes", sums.bytes)
  }

  private func write(_ node: NameTree.Node, path: String, left: Int, _ writer: inout JSONWriter) {
    let path = path.isEmpty ? node.label : "\(path).\(node.label)"
    writer.member("path", path)
    write(node.sums, &writer)
    writer.member("dtypes", node.dtypes.names)
    if let tensor = node.tensor { writer.member("shape", tensor.shape) }
    if !node.children.isEmpty, left > 1 {
      writer.list("children", node.children) { write($0, path: path, left: left - 1, &$1) }
    }
  }

  private func size(_ byteCount: Int) -> String {
    showsBytes ? NumberText.grouped(byteCount) : NumberText.bytes(byteCount)
  }

  private static func dtypes(_ node: NameTree.Node) -> String {
    node.dtypes.names.joined(separator: ",")
  }

  /// For a tensor, or for the rest of a name below the depth.
  private func shape(_ row: Row) -> [Int]? {
    var node = row.node
    if row.isCut {
      while node.tensor == nil, node.children.count == 1, node.children[0].copies == node.copies {
        node = node.children[0]
      }
    }
    return node.children.isEmpty ? node.tensor?.shape : row.node.tensor?.shape
  }

  /// A part that has one child and is not a tensor shares its child's line.
  private var rows: [Row] {
    var rows: [Row] = []
    // An explicit stack, because names may have any number of parts.
    var stack = tree.roots.reversed().map { (node: $0, path: "", level: 0, left: depth) }
    while let top = stack.popLast() {
      var (node, left) = (top.node, top.left - 1)
      var label = node.label
      while left > 0, node.tensor == nil, node.children.count == 1 {
        node = node.children[0]
        left -= 1
        label += "." + node.label
      }
      let path = top.path.isEmpty ? label : "\(top.path).\(label)"
      let isCut = left == 0 && !node.children.isEmpty
      rows.append(Row(level: top.level, label: label, path: path, node: node, isCut: isCut))
      guard !isCut else { continue }
      stack += node.children.reversed().map { (node: $0, path: path, level: top.level + 1, left: left) }
    }
    return rows
  }
}
