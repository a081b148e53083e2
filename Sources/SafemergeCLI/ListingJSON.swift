import Adapters
import JSONText
import Safetensors
import TensorScan

/// `ls --format json`: one document; names and numbers are never shortened.
struct ListingJSON {
  private let listings: [Listing]
  /// Of each listing, what the modules of its adapter change.
  var matches: [BaseMatches?]

  init(_ listings: [Listing]) {
    self.listings = listings
    matches = listings.map { _ in nil }
  }

  private func document(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
    var writer = JSONWriter(escapesUnprintable: true)
    writer.beginObject()
    writer.key("schema")
    writer.value(1)
    body(&writer)
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  /// Every file with its tensors, adapters with their modules, quantised weights, and the sums.
  func tensors(_ tensors: [ListedTensor], data: ListedData, groups: [QuantizedTensors.Group]) -> [UInt8] {
    document { writer in
      writer.key("files")
      writer.beginArray()
      var byFile: [[[Int]]] = listings.map { $0.files.map { _ in [] } }
      for (place, tensor) in tensors.enumerated() { byFile[tensor.listing][tensor.file].append(place) }
      var total = (tensors: 0, parameters: 0, bytes: 0)
      for (listing, files) in zip(listings, byFile) {
        for (file, places) in zip(listing.files, files) {
          Self.write(file, places.map { (tensors[$0].index, $0) }, data, &writer, &total)
        }
      }
      writer.end()
      if !groups.isEmpty {
        writer.key("quantized")
        writer.beginArray()
        for group in groups { write(group, tensors, &writer) }
        writer.end()
      }
      let adapters = listings.enumerated().compactMap { number, listing in
        listing.adapter.map { (listing.path, $0, matches[number]) }
      }
      if !adapters.isEmpty {
        writer.key("adapters")
        writer.beginArray()
        for (path, adapter, matches) in adapters { Self.write(path, adapter, matches, &writer) }
        writer.end()
      }
      writer.key("total")
      writer.beginObject()
      for (key, count) in [("tensors", total.tensors), ("parameters", total.parameters), ("bytes", total.bytes)] {
        writer.key(key)
        writer.value(count)
      }
      writer.end()
    }
  }

  /// The trees, one for each listing.
  func trees(_ trees: [TreeText]) -> [UInt8] {
    document { writer in
      writer.key("trees")
      writer.beginArray()
      for (listing, tree) in zip(listings, trees) {
        writer.beginObject()
        writer.key("path")
        writer.value(listing.path)
        tree.writeMembers(to: &writer)
        writer.end()
      }
      writer.end()
    }
  }

  /// The metadata of every file.
  func metadata() -> [UInt8] {
    document { writer in
      writer.key("files")
      writer.beginArray()
      for file in listings.lazy.flatMap(\.files) {
        writer.beginObject()
        writer.key("path")
        writer.value(file.path)
        Self.writeMetadata(file, &writer)
        writer.end()
      }
      writer.end()
    }
  }

  private func write(_ group: QuantizedTensors.Group, _ tensors: [ListedTensor], _ writer: inout JSONWriter) {
    writer.beginObject()
    writer.key("name")
    writer.value(group.name)
    writer.key("format")
    writer.value(group.format)
    writer.key("shape")
    if let shape = group.shape { writer.value(shape) } else { writer.null() }
    writer.key("parts")
    writer.value(.array(group.members.map { .string(tensors[$0].name) }))
    writer.end()
  }

  private static func write(
    _ file: Listing.File, _ tensors: [(index: Int, place: Int)], _ data: ListedData, _ writer: inout JSONWriter,
    _ total: inout (tensors: Int, parameters: Int, bytes: Int)
  ) {
    writer.beginObject()
    writer.key("path")
    writer.value(file.path)
    writer.key("header_bytes")
    writer.value(file.header.headerByteCount)
    if let checksum = data.fileChecksums?[file.path] {
      writer.key("sha256")
      writer.value(checksum.description)
    }
    writeMetadata(file, &writer)
    writer.key("tensors")
    writer.beginArray()
    for tensor in tensors {
      let info = file.header.tensors[tensor.index]
      writer.beginObject()
      writer.key("name")
      writer.value(info.name.string)
      writer.key("dtype")
      writer.value(info.dtype.name)
      writer.key("shape")
      writer.value(info.shape)
      writer.key("data_offsets")
      writer.value([info.dataOffsets.lowerBound, info.dataOffsets.upperBound])
      writer.key("file_offset")
      writer.value(file.header.dataStart + info.dataOffsets.lowerBound)
      if let figures = data.figures?[tensor.place] ?? nil { write(figures, &writer) }
      if let checksums = data.tensorChecksums {
        writer.key("sha256")
        writer.value(checksums[tensor.place].description)
      }
      writer.end()
      total.tensors += 1
      total.parameters += info.elementCount
      total.bytes += info.byteCount
    }
    writer.end()
    writer.end()
  }

  private static func writeMetadata(_ file: Listing.File, _ writer: inout JSONWriter) {
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
  }

  private static func write(_ figures: ElementFigures, _ writer: inout JSONWriter) {
    writer.key("statistics")
    writer.beginObject()
    let reals = [figures.minimum, figures.maximum, figures.mean, figures.rootMeanSquare]
    for (key, value) in zip(ElementFigures.columns, reals) {
      writer.key(key)
      if let value { writer.value(value) } else { writer.null() }
    }
    let counts = [figures.zeroCount, figures.nanCount, figures.infinityCount]
    for (key, value) in zip(ElementFigures.columns.dropFirst(reals.count), counts) {
      writer.key(key)
      writer.value(value)
    }
    writer.end()
  }

  private static func write(
    _ path: String, _ adapter: Adapter, _ matches: BaseMatches?, _ writer: inout JSONWriter
  ) {
    writer.beginObject()
    writer.key("path")
    writer.value(path)
    writer.key("peft_type")
    writer.value("LORA")
    writer.key("base_model_name_or_path")
    if let name = adapter.baseModelName { writer.value(name) } else { writer.null() }
    writer.key("modules")
    writer.beginArray()
    for (number, layer) in adapter.layers.enumerated() {
      writer.beginObject()
      writer.key("module")
      writer.value(layer.module)
      writer.key("rank")
      writer.value(layer.rank)
      writer.key("alpha")
      writer.value(layer.alpha)
      writer.key("scaling")
      writer.value(layer.scaling)
      if let matches {
        writer.key("base_tensors")
        writer.value(.array(matches.targets[number].map { .string($0.string) }))
      }
      writer.end()
    }
    writer.end()
    writer.end()
  }
}
