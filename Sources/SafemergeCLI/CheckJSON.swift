import JSONText
import MergeChecking
import Safetensors

/// `check --format json`: one document; names are never shortened.
enum CheckJSON {
  static func text(_ results: [CheckResult]) -> [UInt8] {
    var writer = JSONWriter(escapesUnprintable: true)
    writer.beginObject()
    writer.key("schema")
    writer.value(1)
    writer.key("results")
    writer.beginArray()
    for result in results { write(result, &writer) }
    writer.end()
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  private static func write(_ result: CheckResult, _ writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("path")
    writer.value(result.inspection.path)
    writer.key("findings")
    writer.beginArray()
    for finding in result.findings {
      writer.beginObject()
      writer.member("class", finding.findingClass)
      writer.member("file", finding.file)
      writer.member("tensor", finding.tensor?.string)
      writer.member("message", finding.message)
      writer.end()
    }
    writer.end()
    writer.key("notes")
    writer.beginArray()
    for note in result.notes { writer.value(note) }
    writer.end()
    writer.key("files")
    writer.beginArray()
    for file in result.inspection.files {
      writer.beginObject()
      writer.member("path", file.path)
      writer.key("tensors")
      writer.value(file.header.tensors.count)
      writer.key("bytes")
      writer.value(file.header.fileByteCount)
      writer.end()
    }
    writer.end()
    if let merge = result.merge {
      writer.key("tensors")
      writer.beginArray()
      for tensor in merge.tensors { write(tensor, &writer) }
      writer.end()
    }
    writer.end()
  }

  private static func write(_ tensor: MergeCheck.TensorResult, _ writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("name", tensor.name.string)
    writer.member("file", tensor.file)
    writer.member("dtype", tensor.dtype.name)
    writer.key("shape")
    writer.value(tensor.shape)
    writer.key("merged")
    writer.value(tensor.isMerged)
    let (verdict, fault) = words(tensor.verdict)
    writer.member("verdict", verdict)
    writer.member("fault", fault)
    if let comparison = tensor.comparison {
      for (key, count) in [
        ("elements", comparison.elementCount), ("not_exact_rounded", comparison.otherwiseRounded),
        ("beyond_bound", comparison.beyondBound), ("beyond_one_ulp", comparison.beyondOneUlp),
      ] {
        writer.key(key)
        writer.value(count)
      }
      writer.key("other_bits")
      if let count = comparison.otherBits { writer.value(count) } else { writer.null() }
      writer.key("worst_ulp")
      writer.value(comparison.worstError)
    }
    writer.end()
  }

  /// Stable words for a verdict, and the class of the fault.
  private static func words(_ verdict: MergeCheck.Verdict) -> (verdict: String, fault: String?) {
    switch verdict {
    case .same: ("same", nil)
    case .exact: ("exact", nil)
    case .rounded: ("right", nil)
    case .roundedByPEFT: ("peft-roundings", nil)
    case .roundedSeveralTimes: ("several-roundings", nil)
    case .fault(let fault): ("fault", fault.faultClass)
    case .damaged: ("damaged", nil)
    case .different: ("different", nil)
    case .notChecked: ("not-checked", nil)
    }
  }
}
