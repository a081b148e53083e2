/// Names that are too wide for a terminal, with an ellipsis in place of their middle.
enum ShortName {
  /// The name in at most `width` columns. What distinguishes the names of tensors and shards, the first number and what
  /// follows it, is kept as far as possible: `mod…10.self_attn.q_proj.weight`, `model-00003…ensors`.
  static func of(_ name: String, width: Int) -> String {
    let scalars = Array(name.unicodeScalars)
    guard scalars.count > width else { return name }
    guard width > 1 else { return width == 1 ? "…" : "" }
    // The indentation of a tree does not belong to the name.
    let indentation = scalars.prefix { $0 == " " }.count
    let rest = width - 1
    let half = rest / 2
    var head = max(half, min(indentation + 1, rest))
    if let start = scalars.firstIndex(where: isDigit) {
      let end = scalars[start...].firstIndex { !isDigit($0) } ?? scalars.endIndex
      let tail = scalars.count - start
      if tail < rest, rest - tail <= start {
        head = rest - tail
      } else if end > head, end <= rest - 2 {
        head = end
      }
    }
    return string(scalars[..<head]) + "…" + string(scalars[(scalars.count - (rest - head))...])
  }

  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

  private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: scalars)
    return String(text)
  }
}
