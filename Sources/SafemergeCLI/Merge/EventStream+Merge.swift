import Adapters
import Checkpoints
import Checksums
import JSONText
import MergeEngine
import MergePlanning
import Merging
import Platform
import Reports
import Safetensors

/// The events of a merge.
extension EventStream {
  /// - Parameter kind: Nil for a warning without a class.
  func warning(_ message: String, kind: MergeWarning.Kind? = nil) {
    send("warning") { event in
      event.member("class", kind?.rawValue ?? "other")
      event.member("message", message)
    }
  }

  func note(_ message: String) { send("note") { $0.member("message", message) } }

  func plan(_ text: PlanText, output: String?, isDryRun: Bool) {
    send("plan") { event in
      event.member("dry_run", isDryRun)
      event.member("output", output)
      event.member("base") { event in
        write(text.checkpoint, &event)
        event.member("architecture", text.image)
      }
      event.list("adapters", text.adapters) { write($0, &$1) }
      event.list("modules", text.plan.modules) { write($0, &$1) }
      event.member("tensors") { $0.members(text.plan.actionSums) }
      event.member("ordered_tensors", text.plan.orderedTensorCount)
      event.list("rules", text.plan.rules) { rule, event in
        event.member("rule", rule.rule)
        event.member("names", rule.count)
      }
      event.list("files", text.plan.shards) { shard, event in
        event.member("name", shard.name)
        event.member("bytes", shard.fileByteCount)
      }
      event.member("side_files", text.sideFiles.files.count + text.plan.textFiles.count)
      event.list("left_out", text.sideFiles.leftOut) { left, event in
        event.member("name", left.name)
        event.member("reason", left.reason.rawValue)
      }
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
      event.member("kept", shard.isKept)
    }
  }

  /// The outcome for each weight that was requantized.
  func requantized(_ outcome: MergeEngine.Outcome) {
    send("requantized") { event in
      event.list("tensors", outcome.requantized) { tensor, event in
        event.member("name", tensor.name?.string)
        event.member("elements", tensor.elementCount)
        event.member("error", tensor.loss)
        event.member("delta_norm", tensor.deltaNorm)
        event.member("changed_codes", tensor.codes?.changedCount ?? 0)
        event.member("half_steps", tensor.codes?.halfStepCount ?? 0)
        event.member("vanishes", tensor.changeVanishes)
      }
    }
  }

  /// The effect of quantization in training on each merged weight.
  func training(_ tensors: [TensorStatistics]) {
    send("training") { event in
      event.member("ratio", TensorStatistics(sumOf: tensors).trainingRatio)
      event.list("tensors", tensors) { tensor, event in
        event.member("name", tensor.name?.string)
        event.member("training_norm", tensor.trainingNorm)
        event.member("delta_norm", tensor.deltaNorm)
        event.member("ratio", tensor.trainingRatio)
      }
    }
  }

  func report(_ report: MergeReport, at path: String) {
    send("report") { event in
      event.member("path", path)
      event.member("tensors", report.tensors.count)
      event.member("delta_to_base", report.totals.ratio)
      event.member("rounding_loss", report.totals.loss)
      event.member("advice", report.advice)
    }
  }

  func done(_ summary: MergeSummary) {
    send("done", isLast: true) { event in
      event.member("dry_run", summary.isDryRun)
      event.member("output", summary.output)
      event.member("bytes", summary.plan.plan.outputByteCount)
      event.member("tensors") { $0.members(summary.plan.plan.actionSums) }
      event.member("bytes_written", summary.writtenByteCount)
      event.member("shards_kept", summary.shards.count { $0.isKept })
      event.member("verify", summary.verification.rawValue)
      event.member("seconds", summary.seconds)
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
      event.member("candidates", error.candidates)
      event.member("exit", Int(status))
    }
  }

  /// - Parameter signal: The signal that ended the merge; nil if it was not a signal.
  func interrupted(by signal: Int32?, kept: KeptWork?) {
    send("interrupted", isLast: true) { event in
      event.key("signal")
      if let signal { event.value(signal) } else { event.null() }
      if let kept, kept.summary != nil {
        event.member("kept") { event in
          event.member("path", kept.path)
          event.member("shards", kept.finishedShards)
          event.member("shards_total", kept.shards)
          event.member("partial_bytes", kept.partialByteCount)
        }
      } else {
        event.member("kept", String?.none)
      }
      event.member("exit", Int(signal.map { 128 + $0 } ?? ExitStatus.inputOutput))
    }
  }

  private func write(_ checkpoint: Checkpoint, _ event: inout JSONWriter) {
    event.member("path", checkpoint.path)
    event.member("shards", checkpoint.files.count)
    event.member("tensors", checkpoint.tensorCount)
    event.member("bytes", checkpoint.files.reduce(0) { $0 + $1.header.dataByteCount })
  }

  private func write(_ use: AdapterUse, _ event: inout JSONWriter) {
    event.member("path", use.adapter.path)
    event.member("weight", use.weight)
    event.member(partWeights: use.weights)
    event.member("modules", use.adapter.updates.count)
    event.member("tensors", use.adapter.header.tensors.count)
    event.member("base_model", use.adapter.baseModelName)
    event.member("dialect", use.adapter.file?.dialect)
  }

  private func write(_ module: MergePlan.Module, _ event: inout JSONWriter) {
    event.member("name", module.name)
    event.member("adapter", module.adapter)
    event.member("rank", module.rank)
    event.member("alpha", module.alpha)
    event.member("scaling", module.scaling)
    event.member("targets", module.targets.map(\.string))
    event.member("rule", module.rule)
  }
}
