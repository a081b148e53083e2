import Adapters
import Checkpoints
import Checksums
import Inspection
import JSONText
import MergePlanning
import Safetensors

/// `ls --format json`: one document; names and numbers are never shortened.
struct ListingJSON {
  private let listings: [Listing]
  /// For each listing, the tensors that the modules of its adapter change.
  var matches: [BaseMatches?]
  /// For each listing, whether its adapter fits the base, where that has an answer of its own.
  var fits: [BaseFit?]

  init(_ listings: [Listing]) {
    self.listings = listings
    matches = listings.map { _ in nil }
    fits = listings.map { _ in nil }
  }

  private func document(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
    var writer = JSONWriter(escapesUnprintable: true)
    writer.beginObject()
    writer.member("schema", 1)
    body(&writer)
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  /// Every file with its tensors, adapters with their modules, quantized weights, and totals.
  func tensors(_ tensors: [ListedTensor], _ selection: ListSelection, data: ListedData) -> [UInt8] {
    document { writer in
      var byFile: [[[Int]]] = listings.map { $0.files.map { _ in [] } }
      for (place, tensor) in tensors.enumerated() { byFile[tensor.listing][tensor.file].append(place) }
      let files = zip(listings, byFile).flatMap { zip($0.files, $1) }
      var total = (tensors: 0, parameters: 0, bytes: 0)
      for tensor in tensors {
        total.tensors += 1
        total.parameters += selection.parameterCount(tensor)
        total.bytes += selection.byteCount(tensor)
      }
      writer.list("files", files) { file, writer in
        Self.write(file.0, file.1.map { (tensors[$0].index, $0) }, data, &writer)
      }
      let weights = tensors.compactMap { tensor -> (listing: Int, weight: StoredWeight)? in
        guard
          case .codes(let weight) = selection.role(listing: tensor.listing, file: tensor.file, index: tensor.index)
        else { return nil }
        return (tensor.listing, selection.weights[tensor.listing].weights[weight])
      }
      if !weights.isEmpty {
        writer.list("quantized", weights) { Self.write($0.weight, listings[$0.listing], &$1) }
      }
      let adapters = listings.indices.filter { listings[$0].adapter != nil }
      if !adapters.isEmpty {
        writer.list("adapters", adapters) { number, writer in
          guard let adapter = listings[number].adapter else { return }
          Self.write(listings[number].path, adapter, matches[number], &writer)
          if let facts = AdapterFacts(adapter) { writer.member("file") { facts.write(to: &$0) } }
          if let fit = fits[number] { writer.member("base") { fit.write(to: &$0) } }
        }
      }
      writer.member("total") { writer in
        writer.member("tensors", total.tensors)
        writer.member("parameters", total.parameters)
        writer.member("bytes", total.bytes)
        writer.member(
          "bits_per_weight", ModelTotals.bitsPerWeight(bytes: total.bytes, parameters: total.parameters))
      }
      writeModels(selection, &writer)
    }
  }

  /// Totals of whole models, regardless of the globs.
  private func writeModels(_ selection: ListSelection, _ writer: inout JSONWriter) {
    let models = zip(listings, selection.weights).filter { $0.0.model != nil }
    guard !models.isEmpty else { return }
    writer.list("models", models) { model, writer in
      let totals = ModelTotals(model.0, model.1)
      writer.member("path", model.0.path)
      writer.member("parameters", totals.parameters)
      if let active = totals.active {
        writer.member("active_parameters", active.count)
        writer.member("experts", active.expertCount)
        writer.member("experts_per_token", active.expertsPerToken)
      }
      writer.member("bits_per_weight", totals.bitsPerWeight)
      writer.member("weight_bytes", totals.bytes)
      if let facts = ImageModelFacts(model.0, model.1) {
        writer.member("image") { ImageModelText(facts: facts, showsBytes: true).write(to: &$0) }
      }
    }
  }

  /// The trees, one per listing.
  func trees(_ trees: [TreeText]) -> [UInt8] {
    document { writer in
      writer.list("trees", zip(listings, trees)) { tree, writer in
        writer.member("path", tree.0.path)
        tree.1.writeMembers(to: &writer)
      }
    }
  }

  /// The metadata of every file.
  func metadata() -> [UInt8] {
    document { writer in
      writer.list("files", listings.lazy.flatMap(\.files)) { file, writer in
        writer.member("path", file.path)
        Self.writeMetadata(file, &writer)
      }
    }
  }

  private static func write(_ weight: StoredWeight, _ listing: Listing, _ writer: inout JSONWriter) {
    func info(_ place: Checkpoint.Location) -> TensorInfo { listing.files[place.file].header.tensors[place.index] }
    writer.member("name", weight.name.string)
    writer.member("format", weight.label)
    if let shape = weight.shape { writer.member("shape", shape) } else { writer.member("shape", nil as String?) }
    writer.member("parameters", weight.elementCount)
    writer.member("bytes", weight.members.reduce(0) { $0 + info($1).byteCount })
    writer.member("parts", weight.members.map { info($0).name.string })
  }

  private static func write(
    _ file: Listing.File, _ tensors: [(index: Int, place: Int)], _ data: ListedData, _ writer: inout JSONWriter
  ) {
    writer.member("path", file.path)
    writer.member("header_bytes", file.header.headerByteCount)
    if let checksum = data.fileChecksums?[file.path] { writer.member("sha256", checksum.description) }
    writeMetadata(file, &writer)
    writer.list("tensors", tensors) { tensor, writer in
      let info = file.header.tensors[tensor.index]
      writer.member("name", info.name.string)
      writer.member("dtype", info.dtype.name)
      writer.member("shape", info.shape)
      writer.member("data_offsets", [info.dataOffsets.lowerBound, info.dataOffsets.upperBound])
      writer.member("file_offset", file.header.dataStart + info.dataOffsets.lowerBound)
      if let figures = data.figures?[tensor.place] ?? nil { write(figures, &writer) }
      if let checksums = data.tensorChecksums { writer.member("sha256", checksums[tensor.place].description) }
    }
  }

  private static func writeMetadata(_ file: Listing.File, _ writer: inout JSONWriter) {
    guard let metadata = file.header.metadata else { return writer.member("metadata", nil as String?) }
    writer.member("metadata") { writer in
      for entry in metadata { writer.member(entry.key, entry.value) }
    }
  }

  private static func write(_ figures: ElementFigures, _ writer: inout JSONWriter) {
    writer.member("statistics") { writer in
      let reals = [figures.minimum, figures.maximum, figures.mean, figures.rootMeanSquare]
      for (key, value) in zip(ElementFigures.columns, reals) { writer.member(key, value) }
      let counts = [figures.zeroCount, figures.nanCount, figures.infinityCount]
      for (key, value) in zip(ElementFigures.columns.dropFirst(reals.count), counts) { writer.member(key, value) }
    }
  }

  private static func write(
    _ path: String, _ adapter: Adapter, _ matches: BaseMatches?, _ writer: inout JSONWriter
  ) {
    writer.member("path", path)
    writer.member("peft_type", adapter.config.peftType)
    writer.member("base_model_name_or_path", adapter.baseModelName)
    writer.list("modules", adapter.updates.enumerated()) { update, writer in
      writer.member("module", update.element.module)
      writer.member("rank", update.element.rank)
      writer.member("alpha", update.element.alpha)
      writer.member("scaling", update.element.scaling)
      if let matches { writer.member("base_tensors", matches.targets[update.offset].map(\.string)) }
    }
  }
}
