import Inspection
import JSONText
import MergeChecking
import MergeEngine
import Platform
import Reports
import Safetensors

/// How two models differ, as a table, lines or JSON.
struct DiffText {
  let left: String
  let right: String
  let difference: ModelDifference
  var screen = Screen.plain

  private var comparesValues: Bool { difference.comparesValues }
  /// In natural order.
  private var changed: [ModelDifference.Tensor] {
    difference.tensors.filter(\.isDifferent).sorted { NaturalOrder.precedes($0.name.string, $1.name.string) }
  }

  func writeTable(to output: inout StandardOutput) throws {
    let changed = changed
    for entry in difference.metadata {
      let (one, other) = (entry.left.map { "\"\($0)\"" } ?? "-", entry.right.map { "\"\($0)\"" } ?? "-")
      try write("metadata \(entry.key): \(one), \(other)", to: &output)
    }
    for member in difference.folders.members {
      let (one, other) = (member.left ?? "-", member.right ?? "-")
      try write("\(member.file) \(member.key): \(one), \(other)", to: &output)
    }
    let columns: [TextTable.Column] =
      [.left(""), .name("TENSOR"), .left("DTYPE"), .left("SHAPE")]
      + (comparesValues ? [.right("MAX |D|"), .right("CHANGED"), .right("RELATIVE")] : [])
    let lone = LonePart.all(in: difference)
    let rows = changed.filter { tensor in !lone.contains { $0.contains(tensor) } }
    var table = TextTable(columns, rowCount: rows.count + lone.count, style: screen.style)
    for tensor in rows { add(tensor, to: &table, columns) }
    for part in lone {
      let cells = [
        part.isLeft ? "-" : "+", part.prefix + "*", part.dtypes.map(\.name).joined(separator: ", "),
        NumberText.counted(part.tensorCount, "tensor"),
      ]
      for number in columns.indices { table.add(number < cells.count ? cells[number] : "-") }
    }
    if !changed.isEmpty { try table.write(to: &output, width: screen.width) }
    for note in notes { try write("note: \(note)", to: &output) }
    try write(summary(changed), to: &output)
  }

  /// A row, and where the right has another name, one with that.
  private func add(_ tensor: ModelDifference.Tensor, to table: inout TextTable, _ columns: [TextTable.Column]) {
    table.add(Self.sign(tensor))
    table.add((tensor.left ?? tensor.right)?.text ?? "")
    table.add(Self.pair(tensor.left?.dtype.name, tensor.right?.dtype.name))
    table.add(
      Self.pair(tensor.left.map { NumberText.shape($0.shape) }, tensor.right.map { NumberText.shape($0.shape) }))
    if comparesValues {
      table.add(tensor.values?.largest.map(ReportNumbers.significant) ?? "-")
      table.add(tensor.values.map { ReportNumbers.percent($0.changedShare) } ?? "-")
      table.add(tensor.values?.relativeNorm.map(ReportNumbers.percent) ?? "-")
    }
    guard tensor.isRespelled, let right = tensor.right else { return }
    for number in columns.indices { table.add(number == 1 ? right.text : "") }
  }

  private func write(_ line: String, to output: inout StandardOutput) throws {
    for line in screen.wrapped(line.escapingUnprintable) { try output.write(line + "\n") }
  }

  /// Notes that are not differences of the models.
  private var notes: [String] {
    var notes: [String] = []
    notes += spellingNotes
    if difference.hasOtherFiles { notes.append("the tensors are sharded differently") }
    let alike = difference.tensors.count { $0.values?.hasOtherBytes == true && !$0.isDifferent }
    if alike > 0 {
      notes.append(
        "\(NumberText.counted(alike, "tensor")) with equal values, but different bytes (signs of zeros or NaN payloads)"
      )
    }
    for (side, what) in [
      (nil, "different content:"), (.left, "only in \(left):"), (.right, "only in \(right):"),
    ] as [(FolderDifference.Side?, String)] {
      let names = difference.folders.files.filter { $0.onlySide == side }.map(\.name)
      if !names.isEmpty { notes.append("\(what) \(names.joined(separator: ", "))") }
    }
    return notes
  }

  /// How image models with other names were matched.
  private var spellingNotes: [String] {
    guard let spelling = difference.spelling else { return [] }
    var notes: [String] = []
    let count = difference.tensors.count(where: \.isRespelled)
    if count > 0 {
      let names = spelling.matches.compactMap(\.architecture).reduce(into: [String]()) { names, name in
        if !names.contains(name) { names.append(name) }
      }
      let tables = names.isEmpty ? "" : " (\(names.joined(separator: ", ")))"
      notes.append(
        "matched by the names of image models\(tables): \(NumberText.grouped(count)) "
          + "\(count == 1 ? "parameter has another name or place" : "parameters have another name or place") in \(right)"
      )
    }
    if !spelling.ambiguousLeft.isEmpty {
      let sides = [(left, spelling.ambiguousLeft), (right, spelling.ambiguousRight)].map { side, prefixes in
        "\(prefixes.map { $0.isEmpty ? "the tensors" : $0 }.joined(separator: ", ")) in \(side)"
      }
      notes.append(
        "several parts may be the same model: \(sides.joined(separator: "; ")); they were compared by name alone "
          + "(to compare one of them, name its folder)")
    }
    return notes
  }

  private func summary(_ changed: [ModelDifference.Tensor]) -> String {
    let onlyLeft = difference.tensors.count { $0.right == nil }
    let onlyRight = difference.tensors.count { $0.left == nil }
    let both = difference.tensors.count - onlyLeft - onlyRight
    let different = changed.count - onlyLeft - onlyRight
    let (otherwise, alike) =
      comparesValues ? ("changed", "identical") : ("with another dtype or shape", "with the same dtype and shape")
    return
      "\(NumberText.grouped(different)) \(otherwise), \(NumberText.grouped(both - different)) \(alike), "
      + "\(NumberText.grouped(onlyLeft)) only in \(left), \(NumberText.grouped(onlyRight)) only in \(right)"
      + (comparesValues ? "" : "; values were not compared")
  }

  /// "-" only in the first, "+" only in the second, "~" in both and different, "=" the same, "?" unknown: the headers
  /// are equal, and values were not compared.
  private static func sign(_ tensor: ModelDifference.Tensor) -> String {
    if tensor.right == nil { return "-" }
    if tensor.left == nil { return "+" }
    return tensor.isDifferent ? "~" : tensor.values == nil ? "?" : "="
  }

  private static func pair(_ left: String?, _ right: String?) -> String {
    guard let left, let right else { return left ?? right ?? "-" }
    return left == right ? left : "\(left) -> \(right)"
  }

  /// All tensors, one per line: sign, name, dtypes, shapes and, if values were compared, the largest difference, the
  /// number of changed elements and the relative norm; at last the name on the right where it is another. Tabs and other unprintable characters in names are escaped.
  func writeTSV(to output: inout StandardOutput) throws {
    for tensor in difference.tensors {
      var cells = [
        Self.sign(tensor), (tensor.left ?? tensor.right)?.text ?? "", tensor.left?.dtype.name ?? "",
        tensor.right?.dtype.name ?? "",
        Self.shape(tensor.left), Self.shape(tensor.right),
      ]
      if comparesValues {
        cells += [
          tensor.values?.largest.map { "\($0)" } ?? "", tensor.values.map { "\($0.changedCount)" } ?? "",
          tensor.values?.relativeNorm.map { "\($0)" } ?? "",
        ]
      }
      cells.append(tensor.isRespelled ? tensor.right?.text ?? "" : "")
      try output.write(cells.map(\.escapingUnprintable).joined(separator: "\t") + "\n")
    }
  }

  private static func shape(_ tensor: ModelDifference.Part?) -> String {
    tensor.map { $0.shape.map(String.init).joined(separator: ",") } ?? ""
  }

  /// Only the differences, and the number of tensors compared.
  var json: [UInt8] {
    var writer = JSONWriter(escapesUnprintable: true)
    writer.beginObject()
    writer.member("schema", 2)
    writer.member("left", left)
    writer.member("right", right)
    writer.member("values_compared", comparesValues)
    writer.key("different")
    if let isDifferent = difference.isDifferent { writer.value(isDifferent) } else { writer.null() }
    writer.member("other_files", difference.hasOtherFiles)
    writer.member("other_bytes", difference.tensors.count { $0.values?.hasOtherBytes == true && !$0.isDifferent })
    writer.member("compared", difference.tensors.count)
    writer.member("respelled", difference.tensors.count(where: \.isRespelled))
    writer.list("metadata", difference.metadata) { entry, writer in
      writer.member("key", entry.key)
      writer.member("left", entry.left)
      writer.member("right", entry.right)
    }
    writer.list("config", difference.folders.members) { member, writer in
      writer.member("file", member.file)
      writer.member("key", member.key)
      writer.member("left", member.left)
      writer.member("right", member.right)
    }
    writer.list("side_files", difference.folders.files) { file, writer in
      writer.member("name", file.name)
      writer.member("only", file.onlySide?.rawValue)
    }
    writer.list("tensors", changed, members: write)
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  private func write(_ tensor: ModelDifference.Tensor, _ writer: inout JSONWriter) {
    writer.member("name", tensor.name.string)
    for (key, side) in [("left", tensor.left), ("right", tensor.right)] {
      guard let side else {
        writer.member(key, nil as String?)
        continue
      }
      writer.member(key) { writer in
        writer.member("name", side.name.string)
        writer.member("dtype", side.dtype.name)
        writer.member("shape", side.shape)
        writer.key("rows")
        if let rows = side.rows {
          writer.beginArray()
          for range in rows { writer.value([range.lowerBound, range.upperBound]) }
          writer.end()
        } else {
          writer.null()
        }
        writer.member("transposed", side.isTransposed)
      }
    }
    if let values = tensor.values {
      writer.member("elements", values.elementCount)
      writer.member("changed", values.changedCount)
      writer.member("largest", values.largest)
      writer.member("relative_norm", values.relativeNorm)
    }
  }
}

extension ModelDifference.Part {
  /// The name with the rows that are meant, such as `qkv.weight[0:3072]`.
  fileprivate var text: String {
    let ranges = isTransposed ? nil : rows?.map { "\($0.lowerBound):\($0.upperBound)" }
    return name.string + (ranges.map { "[\($0.joined(separator: ", "))]" } ?? "")
      + (isTransposed ? " (transposed)" : "")
  }
}
