import Adapters
import JSONText
import Safetensors

/// `ls --format json`: one document; names and numbers are never shortened.
enum ListingJSON {
  static func text(_ listings: [Listing], _ tensors: [ListedTensor]) -> [UInt8] {
    var writer = JSONWriter(escapesUnprintable: true)
    writer.beginObject()
    writer.key("schema")
    writer.value(1)
    writer.key("files")
    writer.beginArray()
    var byFile: [[[ListedTensor]]] = listings.map { $0.files.map { _ in [] } }
    for tensor in tensors { byFile[tensor.listing][tensor.file].append(tensor) }
    var total = (tensors: 0, parameters: 0, bytes: 0)
    for (listing, files) in zip(listings, byFile) {
      for (file, tensors) in zip(listing.files, files) {
        write(file, tensors, &writer, &total)
      }
    }
    writer.end()
    let adapters = listings.compactMap { listing in listing.adapter.map { (listing.path, $0) } }
    if !adapters.isEmpty {
      writer.key("adapters")
      writer.beginArray()
      for (path, adapter) in adapters { write(path, adapter, &writer) }
      writer.end()
    }
    writer.key("total")
    writer.beginObject()
    for (key, count) in [("tensors", total.tensors), ("parameters", total.parameters), ("bytes", total.bytes)] {
      writer.key(key)
      writer.value(count)
    }
    writer.end()
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  private static func write(
    _ file: Listing.File, _ tensors: [ListedTensor], _ writer: inout JSONWriter,
    _ total: inout (tensors: Int, parameters: Int, bytes: Int)
  ) {
    writer.beginObject()
    writer.key("path")
    writer.value(file.path)
    writer.key("header_bytes")
    writer.value(file.header.headerByteCount)
    writer.key("metadata")
    if let metadata = file.header.metadata {
      writer.beginObject()
      for entry in metadata {
        writer.key(entry.key)
        writer.value(entry.value)
      }
      writer.end()
    } else {
      writer.null()
    }
    writer.key("tensors")
    writer.beginArray()
    for tensor in tensors {
      let info = file.header.tensors[tensor.index]
      writer.beginObject()
      writer.key("name")
      writer.value(tensor.name)
      writer.key("dtype")
      writer.value(info.dtype.name)
      writer.key("shape")
      writer.value(info.shape)
      writer.key("data_offsets")
      writer.value([info.dataOffsets.lowerBound, info.dataOffsets.upperBound])
      writer.key("file_offset")
      writer.value(file.header.dataStart + info.dataOffsets.lowerBound)
      writer.end()
      total.tensors += 1
      total.parameters += info.elementCount
      total.bytes += info.byteCount
    }
    writer.end()
    writer.end()
  }

  private static func write(_ path: String, _ adapter: Adapter, _ writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("path")
    writer.value(path)
    writer.key("peft_type")
    writer.value("LORA")
    writer.key("base_model_name_or_path")
    if let name = adapter.baseModelName { writer.value(name) } else { writer.null() }
    writer.key("modules")
    writer.beginArray()
    for layer in adapter.layers {
      writer.beginObject()
      writer.key("module")
      writer.value(layer.module)
      writer.key("rank")
      writer.value(layer.rank)
      writer.key("alpha")
      writer.value(layer.alpha)
      writer.key("scaling")
      writer.value(layer.scaling)
      writer.end()
    }
    writer.end()
    writer.end()
  }
}
