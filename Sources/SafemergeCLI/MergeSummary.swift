import JSONText
import MergeEngine
import Safetensors

/// What a merge did, in a few lines: what was merged with which scaling, what was copied, and where the result is.
struct MergeSummary {
  let plan: PlanText
  /// Nil: nothing was written.
  let output: String?
  let isDryRun: Bool
  let shards: [WrittenShard]
  let verification: Verify
  let duration: Duration
  /// The largest resident set, in bytes.
  let peakMemory: Int

  /// To the millisecond.
  var seconds: Double { (duration.inSeconds * 1000).rounded() / 1000 }

  var lines: [String] {
    var lines: [String] = []
    let sideFiles = plan.sideFiles.files.count
    for sum in plan.plan.actionSums where sum.tensorCount > 0 || sum.action == .copy && sideFiles > 0 {
      var line = sum.action.participle.padded(to: 9) + Quantities.counted(sum.tensorCount, "tensor")
      line += " (\(Quantities.bytes(sum.byteCount)))"
      if sum.action == .merge { line += ": " + plan.adapters.map(plan.mergedModules).joined(separator: "; ") }
      if sum.action == .copy, sideFiles > 0 { line += ", " + Quantities.counted(sideFiles, "side file") }
      lines.append(line)
    }
    let kept = shards.count { $0.isKept }
    if kept > 0 { lines.append("kept     \(kept) of \(Quantities.counted(shards.count, "file")) of a merge before") }
    lines.append(doneLine)
    return lines.map(\.escapingUnprintable)
  }

  private var doneLine: String {
    let tenths = Int((duration.inSeconds * 10).rounded())
    let rate = TransferRate(done: plan.plan.outputByteCount, left: 0, elapsed: duration)
    return
      "done     \(output ?? "")   \(Quantities.bytes(plan.plan.outputByteCount)) in \(tenths / 10).\(tenths % 10) s "
      + "(\(Quantities.bytes(rate.bytesPerSecond))/s), peak memory \(Quantities.bytes(peakMemory)), \(check)"
  }

  private var check: String {
    let files = Quantities.counted(shards.count, "file")
    switch verification {
    case .full: return "verified: \(files) read back from the disk and computed again"
    case .read: return "verified: \(files) read back from the disk"
    case .none:
      return shards.contains { $0.checksum == nil } ? "not verified (--verify read)" : "SHA-256 of \(files) taken"
    }
  }
}

extension String {
  /// With spaces behind it, for a column of this width.
  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
