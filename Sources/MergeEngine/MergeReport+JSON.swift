import JSONText
import MergePlanning
import Safetensors

extension MergeReport {
  /// The report as JSON text; docs/report.md lists the keys.
  public var json: [UInt8] {
    var writer = JSONWriter(indentation: 2)
    writer.beginObject()
    writer.key("schema")
    writer.value(Self.schema)
    write(request, &writer)
    writeResult(&writer)
    writer.key("modules")
    writer.beginArray()
    for module in modules { write(module, &writer) }
    writer.end()
    writer.key("tensors")
    writer.beginArray()
    for tensor in tensors { write(tensor, &writer) }
    writer.end()
    writer.key("totals")
    writer.beginObject()
    writer.key("tensors")
    writer.value(tensors.count)
    writeNumbers(totals, &writer)
    writer.end()
    for (key, lines) in [("warnings", warnings), ("advice", advice)] {
      writer.key(key)
      writer.beginArray()
      for line in lines { writer.value(line) }
      writer.end()
    }
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  private func write(_ request: Request, _ writer: inout JSONWriter) {
    writer.key("program")
    writer.value(request.program)
    writer.key("base")
    writer.value(request.base)
    writer.key("adapters")
    writer.beginArray()
    for adapter in request.adapters {
      writer.beginObject()
      writer.key("path")
      writer.value(adapter.path)
      writer.key("weight")
      writer.value(adapter.weight)
      writer.end()
    }
    writer.end()
    writer.key("output")
    writer.value(request.output)
    writer.key("options")
    writer.beginObject()
    for option in request.options {
      writer.key(option.name)
      writer.value(option.value)
    }
    writer.end()
  }

  private func writeResult(_ writer: inout JSONWriter) {
    writer.key("result")
    writer.beginObject()
    for sum in actionSums {
      writer.key(sum.action.participle)
      writer.beginObject()
      writer.key("tensors")
      writer.value(sum.tensorCount)
      writer.key("bytes")
      writer.value(sum.byteCount)
      writer.end()
    }
    writer.key("files")
    writer.beginArray()
    for shard in shards {
      writer.beginObject()
      writer.key("name")
      writer.value(shard.name)
      writer.key("bytes")
      writer.value(shard.byteCount)
      writer.key("sha256")
      if let checksum = shard.checksum { writer.value(checksum.description) } else { writer.null() }
      writer.end()
    }
    writer.end()
    writer.end()
  }

  private func write(_ module: MergePlan.Module, _ writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("name")
    writer.value(module.name)
    writer.key("adapter")
    writer.value(module.adapter)
    writer.key("rank")
    writer.value(module.rank)
    writer.key("alpha")
    writer.value(module.alpha)
    writer.key("scaling")
    writer.value(module.scaling)
    writer.key("targets")
    writer.beginArray()
    for target in module.targets { writer.value(target.string) }
    writer.end()
    writer.end()
  }

  private func write(_ tensor: Tensor, _ writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("name")
    writer.value(tensor.name.string)
    writer.key("shape")
    writer.value(tensor.shape)
    writer.key("modules")
    writer.value(tensor.modules)
    writer.key("base_dtype")
    writer.value(tensor.statistics.sourceDType?.name ?? "")
    writer.key("dtype")
    writer.value(tensor.statistics.outputDType?.name ?? "")
    writeNumbers(tensor.statistics, &writer)
    writer.end()
  }

  private func writeNumbers(_ statistics: TensorStatistics, _ writer: inout JSONWriter) {
    writer.key("elements")
    writer.value(statistics.elementCount)
    writer.key("changed_elements")
    writer.value(statistics.changedCount)
    let numbers: [(key: String, value: Double?)] = [
      ("changed_share", statistics.changedShare), ("delta_norm", statistics.deltaNorm),
      ("base_norm", statistics.baseNorm), ("delta_to_base", statistics.ratio), ("rounding_loss", statistics.loss),
    ]
    for (key, value) in numbers {
      writer.key(key)
      if let value { writer.value(value) } else { writer.null() }
    }
  }
}
