import Adapters
import ImageModels
import JSONText
import Platform

/// The facts of an image or video model as lines, and as members of its JSON.
struct ImageModelText {
  let facts: ImageModelFacts
  let showsBytes: Bool

  private func size(_ byteCount: Int) -> String {
    showsBytes ? NumberText.grouped(byteCount) : NumberText.bytes(byteCount)
  }

  /// A label and a text each.
  var lines: [(label: String, text: String)] {
    let (description, stated) = (facts.description, facts.stated)
    var lines: [(label: String, text: String)] = []
    func add(_ label: String, _ parts: [String?], separator: String = ", ") {
      let text = parts.compactMap { $0 }.joined(separator: separator)
      if !text.isEmpty { lines.append((label, text.escapingUnprintable)) }
    }
    add(
      "model",
      [description.isRecognized ? description.architecture : "an image or video model that is not known by name"])
    for part in facts.parts {
      let names = part.component.map { component in
        " (\(component.kind.name), \(component.scheme.rawValue) names)"
      }
      add(
        "part",
        [
          "\(part.name)\(names ?? ""): \(NumberText.counted(part.tensors, "tensor"))",
          NumberText.counted(part.parameters, "parameter"), size(part.bytes), part.types.names.joined(separator: ","),
        ])
    }
    for fp8 in facts.fp8 {
      add(
        "fp8",
        ["\(NumberText.counted(fp8.weights, "weight")) \(fp8.scheme.map { "with scales (\($0))" } ?? "without scales")"]
      )
    }
    add("title", [stated.title])
    add(
      "stated",
      [
        stated.architecture, stated.predictionType.map { "prediction \($0)" },
        stated.resolution.map { "resolution \($0)" }, stated.date,
      ])
    add("trigger", [stated.triggerPhrase])
    add("usage", [stated.usageHint])
    add("author", [stated.author, stated.license.map { "license \($0)" }])
    add("merged", [stated.mergedFrom])
    for hash in stated.hashes { add("hash", ["\(hash.key) \(hash.value)", hash.meaning]) }
    return lines
  }

  /// The members of `image` of a model.
  func write(to writer: inout JSONWriter) {
    let stated = facts.stated
    writer.member("architecture", facts.description.isRecognized ? facts.description.architecture : nil)
    writer.list("parts", facts.parts) { part, writer in
      writer.member("name", part.name)
      writer.member("kind", part.component?.kind.name)
      writer.member("names", part.component?.scheme.rawValue)
      writer.member("tensors", part.tensors)
      writer.member("parameters", part.parameters)
      writer.member("bytes", part.bytes)
      writer.member("dtypes", part.types.names)
    }
    writer.list("fp8", facts.fp8) { fp8, writer in
      writer.member("scales", fp8.scheme)
      writer.member("weights", fp8.weights)
    }
    writer.member("modelspec") { writer in
      writer.member("title", stated.title)
      writer.member("architecture", stated.architecture)
      writer.member("prediction_type", stated.predictionType)
      writer.member("resolution", stated.resolution)
      writer.member("date", stated.date)
      writer.member("trigger_phrase", stated.triggerPhrase)
      writer.member("usage_hint", stated.usageHint)
      writer.member("author", stated.author)
      writer.member("license", stated.license)
      writer.member("merged_from", stated.mergedFrom)
    }
    writer.list("hashes", stated.hashes) { $0.write(to: &$1) }
  }
}
