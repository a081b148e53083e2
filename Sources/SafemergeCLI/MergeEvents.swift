import Adapters
import Checkpoints
import JSONText
import MergeEngine
import MergePlanning
import Safetensors

/// What a merge says by events.
extension EventStream {
  func warning(_ message: String) { send("warning") { $0.member("message", message) } }

  func note(_ message: String) { send("note") { $0.member("message", message) } }

  func plan(_ text: PlanText, output: String?, isDryRun: Bool) {
    send("plan") { event in
      event.key("dry_run")
      event.value(isDryRun)
      event.member("output", output)
      event.key("base")
      write(text.checkpoint, &event)
      event.list("adapters", text.adapters) { write($0, &$1) }
      event.list("modules", text.plan.modules) { write($0, &$1) }
      event.key("tensors")
      write(text.plan.actionSums, &event)
      event.list("rules", text.plan.rules) { rule, event in
        event.member("rule", rule.rule)
        event.member("names", rule.count)
      }
      event.list("files", text.plan.shards) { shard, event in
        event.member("name", shard.name)
        event.member("bytes", shard.fileByteCount)
      }
      event.member("side_files", text.sideFiles.files.count + text.plan.textFiles.count)
      event.member("bytes", text.plan.outputByteCount)
      event.member("memory", text.memory.total)
      event.member("workers", text.workers)
      event.member("lapack", text.library)
    }
  }

  func progress(_ progress: MergeProgress, rate: TransferRate) {
    send("progress") { event in
      event.member("bytes_done", progress.bytesDone)
      event.member("bytes_total", progress.bytesTotal)
      event.member("shards_done", progress.shardsDone)
      event.member("shards_total", progress.shardsTotal)
      event.member("bytes_per_second", rate.bytesPerSecond)
      event.key("seconds_left")
      if let seconds = rate.secondsLeft { event.value(seconds) } else { event.null() }
    }
  }

  func shard(_ shard: WrittenShard) {
    send("shard") { event in
      event.member("file", shard.name)
      event.member("bytes", shard.byteCount)
      event.member("sha256", shard.checksum?.description)
      event.key("kept")
      event.value(shard.isKept)
    }
  }

  func report(_ report: MergeReport, at path: String) {
    send("report") { event in
      event.member("path", path)
      event.member("tensors", report.tensors.count)
      event.key("delta_to_base")
      event.value(report.totals.ratio)
      event.key("rounding_loss")
      event.value(report.totals.loss)
      event.key("advice")
      event.beginArray()
      for line in report.advice { event.value(line) }
      event.end()
    }
  }

  func done(_ summary: MergeSummary) {
    send("done", isLast: true) { event in
      event.key("dry_run")
      event.value(summary.isDryRun)
      event.member("output", summary.output)
      event.member("bytes", summary.plan.plan.outputByteCount)
      event.key("tensors")
      write(summary.plan.plan.actionSums, &event)
      event.member("shards_kept", summary.shards.count { $0.isKept })
      event.member("verify", summary.verification.rawValue)
      event.key("seconds")
      event.value(summary.seconds)
      event.member("peak_memory", summary.peakMemory)
    }
  }

  func error(_ error: any ReportableError, status: Int32) {
    send("error", isLast: true) { event in
      event.member("class", error.errorClass)
      event.member("file", error.file)
      event.member("tensor", error.tensor)
      event.member("message", error.message)
      event.member("hint", error.hint)
      event.key("candidates")
      event.beginArray()
      for name in error.candidates { event.value(name) }
      event.end()
      event.member("exit", Int(status))
    }
  }

  /// - Parameter signal: What asked for the end; nil: something else did.
  func interrupted(by signal: Int32?, kept: KeptWork?) {
    send("interrupted", isLast: true) { event in
      event.key("signal")
      if let signal { event.value(signal) } else { event.null() }
      event.key("kept")
      if let kept, kept.summary != nil {
        event.beginObject()
        event.member("path", kept.path)
        event.member("shards", kept.finishedShards)
        event.member("shards_total", kept.shards)
        event.member("partial_bytes", kept.partialByteCount)
        event.end()
      } else {
        event.null()
      }
      event.member("exit", Int(signal.map { 128 + $0 } ?? ExitStatus.inputOutput))
    }
  }

  private func write(_ checkpoint: Checkpoint, _ event: inout JSONWriter) {
    event.beginObject()
    event.member("path", checkpoint.path)
    event.member("shards", checkpoint.files.count)
    event.member("tensors", checkpoint.tensorCount)
    event.member("bytes", checkpoint.files.reduce(0) { $0 + $1.header.dataByteCount })
    event.end()
  }

  private func write(_ use: AdapterUse, _ event: inout JSONWriter) {
    event.member("path", use.adapter.path)
    event.key("weight")
    event.value(use.weight)
    event.member("modules", use.adapter.layers.count)
    event.member("tensors", use.adapter.header.tensors.count)
    event.member("base_model", use.adapter.baseModelName)
  }

  private func write(_ module: MergePlan.Module, _ event: inout JSONWriter) {
    event.member("name", module.name)
    event.member("adapter", module.adapter)
    event.member("rank", module.rank)
    event.key("alpha")
    event.value(module.alpha)
    event.key("scaling")
    event.value(module.scaling)
    event.key("targets")
    event.beginArray()
    for target in module.targets { event.value(target.string) }
    event.end()
    event.member("rule", module.rule)
  }

  private func write(_ sums: [MergePlan.ActionSum], _ event: inout JSONWriter) {
    event.beginObject()
    for sum in sums {
      event.key(sum.action.participle)
      event.beginObject()
      event.member("tensors", sum.tensorCount)
      event.member("bytes", sum.byteCount)
      event.end()
    }
    event.end()
  }
}

extension JSONWriter {
  fileprivate mutating func member(_ key: String, _ value: Int) {
    self.key(key)
    self.value(value)
  }

  fileprivate mutating func value(_ real: Double?) {
    if let real { self.value(real) } else { null() }
  }

  /// A member that is a list of objects.
  fileprivate mutating func list<Element>(
    _ key: String, _ elements: some Sequence<Element>, _ members: (Element, inout JSONWriter) -> Void
  ) {
    self.key(key)
    beginArray()
    for element in elements {
      beginObject()
      members(element, &self)
      end()
    }
    end()
  }
}
