import Checkpoints
import Checksums
import JSONText
import MergeEngine
import MergePlanning
import Safetensors
import Staging

extension MergeReport {
  /// The report as JSON text; docs/report.md lists the keys.
  public var json: [UInt8] {
    var writer = JSONWriter(indentation: 2)
    writer.beginObject()
    writer.member("schema", Self.schema)
    write(request, &writer)
    writer.member("result") { result in
      result.members(actionSums)
      result.list("files", shards) { shard, file in
        file.member("name", shard.name)
        file.member("bytes", shard.byteCount)
        file.member("sha256", shard.checksum?.description)
      }
    }
    writer.list("modules", modules) { write($0, &$1) }
    writer.list("tensors", tensors) { write($0, &$1) }
    writer.member("totals") { totals in
      totals.member("tensors", tensors.count)
      writeNumbers(self.totals, &totals)
    }
    writer.member("warnings", warnings)
    writer.member("advice", advice)
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  private func write(_ request: Request, _ writer: inout JSONWriter) {
    writer.member("program", request.program)
    writer.member("base", request.base)
    writer.list("adapters", request.adapters) { adapter, writer in
      writer.member("path", adapter.path)
      writer.member("weight", adapter.weights.whole)
      writer.member(partWeights: adapter.weights)
    }
    writer.member("output", request.output)
    writer.member("options", request.options)
  }

  private func write(_ module: MergePlan.Module, _ writer: inout JSONWriter) {
    writer.member("name", module.name)
    writer.member("adapter", module.adapter)
    writer.member("rank", module.rank)
    writer.member("alpha", module.alpha)
    writer.member("scaling", module.scaling)
    writer.member("targets", module.targets.map(\.string))
  }

  private func write(_ tensor: Tensor, _ writer: inout JSONWriter) {
    writer.member("name", tensor.name.string)
    writer.member("shape", tensor.shape)
    writer.member("modules", tensor.modules)
    writer.member("base_dtype", tensor.statistics.sourceDType?.name ?? "")
    writer.member("dtype", tensor.statistics.outputDType?.name ?? "")
    writeNumbers(tensor.statistics, &writer)
    guard let codes = tensor.statistics.codes else { return }
    writer.member("changed_codes", codes.changedCount)
    writer.member("half_steps", codes.halfStepCount)
    writer.member("vanishes", tensor.statistics.changeVanishes)
  }

  private func writeNumbers(_ statistics: TensorStatistics, _ writer: inout JSONWriter) {
    writer.member("elements", statistics.elementCount)
    writer.member("changed_elements", statistics.changedCount)
    writer.member("changed_share", statistics.changedShare)
    writer.member("delta_norm", statistics.deltaNorm)
    writer.member("base_norm", statistics.baseNorm)
    writer.member("delta_to_base", statistics.ratio)
    writer.member("rounding_loss", statistics.loss)
    guard let norm = statistics.trainingNorm else { return }
    writer.member("training_norm", norm)
    writer.member("training_to_delta", statistics.trainingRatio)
  }
}

extension JSONWriter {
  /// A member for each action: its number of tensors and bytes.
  package mutating func members(_ sums: [MergePlan.ActionSum]) {
    for sum in sums {
      member(sum.action.participle) { writer in
        writer.member("tensors", sum.tensorCount)
        writer.member("bytes", sum.byteCount)
      }
    }
  }
}
