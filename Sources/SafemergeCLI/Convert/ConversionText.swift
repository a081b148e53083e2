import AdapterConversion
import AdapterWriting
import Adapters
import Checkpoints
import JSONText
import Merging
import Platform

/// What a conversion did, in a few lines or as JSON.
struct ConversionText {
  private let prepared: PreparedConversion
  /// Nil: nothing was written.
  private let outcome: AdapterOutcome?

  init(_ prepared: PreparedConversion, _ outcome: AdapterOutcome?) {
    (self.prepared, self.outcome) = (prepared, outcome)
  }

  private var copiedCount: Int {
    prepared.conversion.tensors.count { if case .copy = $0.content { true } else { false } }
  }

  var lines: [String] {
    let conversion = prepared.conversion
    let request = prepared.request
    let size = NumberText.bytes(outcome?.byteCount ?? prepared.byteCount)
    return [
      LabeledLine.text(
        "converted",
        "\(NumberText.counted(conversion.moduleCount, "module")) to \(conversion.dialect.title), "
          + "\(NumberText.counted(conversion.tensors.count, "tensor")): \(copiedCount) copied, "
          + "\(conversion.tensors.count - copiedCount) put in another form"),
      LabeledLine.text(outcome == nil ? "dry run" : "output", "\(request.output)  \(size)"),
    ]
  }

  /// A document of one object.
  var json: String {
    let conversion = prepared.conversion
    var writer = JSONWriter(indentation: 2, escapesUnprintable: true)
    writer.beginObject()
    writer.member("adapter", prepared.request.adapter.path)
    if let base = prepared.request.base { writer.member("base", base.path) }
    writer.member("output", prepared.request.output)
    writer.member("dialect", conversion.dialect.rawValue)
    writer.key("modules")
    writer.value(conversion.moduleCount)
    writer.key("tensors")
    writer.value(conversion.tensors.count)
    writer.key("copied")
    writer.value(copiedCount)
    writer.key("bytes")
    writer.value(outcome?.byteCount ?? prepared.byteCount)
    writer.key("dryRun")
    writer.value(outcome == nil)
    writer.end()
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }
}
