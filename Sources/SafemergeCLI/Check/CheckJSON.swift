import Inspection
import JSONText
import MergeChecking
import Safetensors

/// `check --format json`: one document; names are never shortened.
enum CheckJSON {
  static let schema = 2

  static func text(_ results: [CheckResult]) -> [UInt8] {
    var writer = JSONWriter(escapesUnprintable: true)
    writer.beginObject()
    writer.member("schema", schema)
    writer.list("results", results, members: write)
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  private static func write(_ result: CheckResult, _ writer: inout JSONWriter) {
    writer.member("path", result.inspection.path)
    writer.list("findings", result.findings) { finding, writer in
      writer.member("class", finding.findingClass)
      writer.member("file", finding.file)
      writer.member("tensor", finding.tensor?.string)
      writer.member("message", finding.message)
    }
    writer.member("notes", result.notes)
    writer.list("files", result.inspection.files) { file, writer in
      writer.member("path", file.path)
      writer.member("tensors", file.header.tensors.count)
      writer.member("bytes", file.header.fileByteCount)
    }
    guard let merge = result.merge else { return }
    let verdict = CheckVerdict(merge, findings: result.findings.count)
    writer.member("verdict") { writer in
      writer.member("result", verdict.outcome.rawValue)
      writer.member("merged", verdict.merged)
      writer.member("matching", verdict.matching)
      writer.member("not_checked", verdict.notChecked)
      writer.member("copied", verdict.copied)
      writer.member("copied_matching", verdict.copiedMatching)
      writer.member("largest_error_ulp", verdict.largestError)
    }
    writer.list("tensors", merge.tensors, members: write)
  }

  private static func write(_ tensor: MergeCheck.TensorResult, _ writer: inout JSONWriter) {
    writer.member("name", tensor.name.string)
    writer.member("file", tensor.file)
    writer.member("dtype", tensor.dtype.name)
    writer.member("shape", tensor.shape)
    writer.member("merged", tensor.isMerged)
    let (verdict, fault) = words(tensor.verdict)
    writer.member("verdict", verdict)
    writer.member("fault", fault)
    if let comparison = tensor.comparison {
      writer.member("elements", comparison.elementCount)
      writer.member("not_exact_rounded", comparison.otherwiseRounded)
      writer.member("beyond_bound", comparison.beyondBound)
      writer.member("beyond_one_ulp", comparison.beyondOneUlp)
      writer.member("other_bits", comparison.otherBits)
      writer.member("cancelled", comparison.cancelled)
      writer.member("error_ulp", comparison.worstError)
    }
  }

  /// Stable identifiers of a verdict, and the class of the fault.
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
