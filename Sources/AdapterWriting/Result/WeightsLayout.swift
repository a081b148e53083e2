import Platform
import Safetensors

/// Where the tensors of an adapter go in its weights' file, and where their bytes are.
struct WeightsLayout {
  /// A tensor and the file that has its data.
  struct Source {
    let entry: HeaderEncoder.Tensor
    let path: String
    /// What the file must be; nil: it is a unit's, which only this run writes.
    let identity: SystemCalls.Identity?
    let range: Range<Int>
  }

  /// In the order of the file.
  let sources: [Source]
  let header: HeaderEncoder

  /// - Throws: `SafetensorsError` with `duplicateKey` if two tensors have one name.
  init(path: String, _ units: [FinishedUnit], _ document: AdapterDocument) throws(SafetensorsError) {
    var sources: [Source] = []
    for unit in units {
      for (entry, range) in zip(unit.tensors, unit.ranges) {
        sources.append(Source(entry: entry, path: unit.path, identity: nil, range: range))
      }
    }
    for copy in document.copies {
      sources.append(Source(entry: copy.entry, path: copy.path, identity: copy.identity, range: copy.range))
    }
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
      if open?.path != source.path {
        try open?.checkUnchanged()
        open = try InputFile(path: source.path)
      }
      guard let open else { continue }
      if let identity = source.identity, open.identity != identity { throw FileError(path: source.path, .changed) }
      try file.copy(source.range, of: open, at: header.bytes.count + place.lowerBound, through: &buffer)
    }
    try open?.checkUnchanged()
  }
}
