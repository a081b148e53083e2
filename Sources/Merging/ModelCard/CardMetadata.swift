import Checkpoints
import JSONText
import Platform

/// The metadata at the top of a model card: lines of YAML between two lines of `---`.
///
/// Source: the Hugging Face hub's documentation of model cards, as of huggingface_hub 2.4.
struct CardMetadata {
  /// Fields of the base's card that hold for a model made from it: a license binds what is derived from the work.
  private static let inheritedFields = ["license", "license_name", "license_link", "language", "pipeline_tag"]
  /// More than a card has; a larger file is not read.
  private static let byteLimit = 1 << 20

  /// Complete lines, in the order of ``inheritedFields``.
  let inheritedLines: [String]

  /// What the card in the base's folder says; nothing if it has no card or the card no metadata.
  init(cardIn folder: String?) {
    guard let folder, let bytes = try? BoundedFile.read(Paths.join(folder, "README.md"), limit: Self.byteLimit),
      let text = String(validating: bytes, as: UTF8.self)
    else {
      self.init(card: "")
      return
    }
    self.init(card: text)
  }

  init(card: String) {
    let lines = card.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      line.last == "\r" ? line.dropLast() : line
    }
    guard lines.first == "---", let end = lines.dropFirst().firstIndex(of: "---") else {
      inheritedLines = []
      return
    }
    let metadata = lines[1..<end]
    inheritedLines = Self.inheritedFields.flatMap { Self.lines(of: $0, in: metadata) }
  }

  /// The line of a field and those of its value: indented lines and items of a list.
  ///
  /// A field that stands twice, or has characters that do not print, is left out.
  private static func lines(of field: String, in metadata: ArraySlice<Substring>) -> [String] {
    let starts = metadata.indices.filter { metadata[$0].hasPrefix("\(field):") }
    guard let start = starts.first, starts.count == 1 else { return [] }
    let rest = metadata[(start + 1)...].prefix { $0.hasPrefix(" ") || $0.hasPrefix("- ") }
    let found = ([metadata[start]] + rest).map(String.init)
    return found.allSatisfy { $0 == $0.escapingUnprintable } ? found : []
  }
}
