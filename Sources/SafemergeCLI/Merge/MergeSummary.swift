import Checkpoints
import JSONText
import MergeEngine
import MergePlanning
import Merging
import Platform
import Reports
import Safetensors

/// A summary of a merge in a few lines: merged modules with their scaling, copied tensors, and the path of the result.
struct MergeSummary {
  let plan: PlanText
  /// Nil if nothing was written.
  let output: String?
  let isDryRun: Bool
  let shards: [WrittenShard]
  /// Bytes of the weight files that an interrupted run wrote.
  let keptByteCount: Int
  let verification: MergeRequest.Verification
  let duration: Duration
  /// The largest resident set, in bytes.
  let peakMemory: Int

  /// The summary of a completed merge.
  init(_ text: PlanText, _ outcome: MergeOutcome, _ merge: PreparedMerge, duration: Duration) {
    plan = text
    output = merge.request.output
    isDryRun = false
    shards = outcome.shards
    keptByteCount = outcome.weights.keptByteCount
    verification = merge.request.verification
    self.duration = duration
    peakMemory = ProcessMemory.peak
  }

  /// The summary of a dry run.
  init(dryRunOf text: PlanText, output: String?, verification: MergeRequest.Verification, duration: Duration) {
    plan = text
    self.output = output
    isDryRun = true
    shards = []
    keptByteCount = 0
    self.verification = verification
    self.duration = duration
    peakMemory = ProcessMemory.peak
  }

  /// Bytes of the weight files that this run wrote.
  var writtenByteCount: Int { isDryRun ? 0 : plan.plan.outputByteCount - keptByteCount }

  /// In milliseconds.
  var seconds: Double { (duration.inSeconds * 1000).rounded() / 1000 }

  var lines: [String] {
    var lines: [String] = []
    let sideFiles = plan.sideFiles.files.count
    for sum in plan.plan.actionSums where sum.tensorCount > 0 || sum.action == .copy && sideFiles > 0 {
      var line = LabeledLine.text(sum.action.participle, NumberText.counted(sum.tensorCount, "tensor"))
      line += " (\(NumberText.bytes(sum.byteCount)))"
      if sum.action == .merge { line += ": " + plan.adapters.map(plan.mergedModules).joined(separator: "; ") }
      if sum.action == .copy, sideFiles > 0 { line += ", " + PlanText.configFiles(sideFiles) }
      lines.append(line)
    }
    let kept = shards.count { $0.isKept }
    if keptByteCount > 0 {
      let found = "\(kept) of \(NumberText.counted(shards.count, shards.count > 1 ? "shard" : "file"))"
      lines.append(
        LabeledLine.text("resumed", "\(found) already complete, \(NumberText.bytes(keptByteCount)) reused"))
    }
    lines.append(doneLine)
    return lines.map(\.escapingUnprintable)
  }

  private var doneLine: String {
    let tenths = Int((duration.inSeconds * 10).rounded())
    let rate = TransferRate(done: writtenByteCount, left: 0, elapsed: duration)
    let written = keptByteCount > 0 ? ", \(NumberText.bytes(writtenByteCount)) of it written" : ""
    let size = "\(NumberText.bytes(plan.plan.outputByteCount))\(written)"
    return LabeledLine.text(
      "done",
      "\(output ?? "")   \(size) in \(tenths / 10).\(tenths % 10) s (\(NumberText.bytes(rate.bytesPerSecond))/s), "
        + "peak memory \(NumberText.bytes(peakMemory))" + (check.map { ", \($0)" } ?? ""))
  }

  /// Verification beyond the merge's own checks.
  private var check: String? {
    let files = NumberText.counted(shards.count, "file")
    switch verification {
    case .full: return "verified: \(files) read back from disk and recomputed"
    case .read: return "verified: \(files) read back from disk"
    case .none: return shards.contains { $0.checksum == nil } ? nil : "SHA-256 of \(files) recorded"
    }
  }
}
