import Platform
import Safetensors

/// Where the tensors of an adapter go in its weights' file, and where their bytes are.
struct WeightsLayout {
  /// A tensor and its data.
  struct Source {
    enum Data {
      case bytes([UInt8])
      /// A range of a file.
      ///
      /// - Parameter identity: What the file must be; nil: it is a unit's, which only this run writes.
      case file(path: String, identity: SystemCalls.Identity?, range: Range<Int>)
    }

    let entry: HeaderEncoder.Tensor
    let data: Data
  }

  /// In the order of the file.
  let sources: [Source]
  let header: HeaderEncoder

  /// - Throws: `SafetensorsError` with `duplicateKey` if two tensors have one name.
  init(path: String, _ units: [FinishedUnit], _ document: AdapterDocument) throws(SafetensorsError) {
    var sources: [Source] = []
    for unit in units {
      for (entry, range) in zip(unit.tensors, unit.ranges) {
        sources.append(Source(entry: entry, data: .file(path: unit.path, identity: nil, range: range)))
      }
    }
    for copy in document.copies {
      sources.append(
        Source(entry: copy.entry, data: .file(path: copy.path, identity: copy.identity, range: copy.range)))
    }
    for tensor in document.tensors { sources.append(Source(entry: tensor.entry, data: .bytes(tensor.bytes))) }
    if document.order == .reference { sources.sort { HeaderEncoder.precedes($0.entry, $1.entry) } }
    var names: Set<TensorName> = ["__metadata__"]
    for source in sources where !names.insert(source.entry.name).inserted {
      throw SafetensorsError(path: path, .duplicateKey(source.entry.name.string), tensor: source.entry.name)
    }
    self.sources = sources
    header = try HeaderEncoder(path: path, metadata: document.metadata, tensors: sources.map(\.entry))
  }

  /// Writes the header and all data.
  ///
  /// - Throws: `FileError`, with `changed` for an input that is not what it was; `Interrupted`.
  func write(to file: OutputFile, interruption: Interruption) throws {
    try file.reserve(0..<header.fileByteCount)
    try unsafe file.write(header.bytes.span.bytes, at: 0)
    var buffer: [UInt8] = []
    var open: InputFile?
    for (source, place) in zip(sources, header.dataOffsets) {
      try interruption.check()
      let offset = header.bytes.count + place.lowerBound
      switch source.data {
      case .bytes(let bytes): try unsafe file.write(bytes.span.bytes, at: offset)
      case .file(let path, let identity, let range):
        if open?.path != path {
          try open?.checkUnchanged()
          open = try InputFile(path: path)
        }
        guard let open else { continue }
        if let identity, open.identity != identity { throw FileError(path: path, .changed) }
        try file.copy(range, of: open, at: offset, through: &buffer)
      }
    }
    try open?.checkUnchanged()
  }
}
