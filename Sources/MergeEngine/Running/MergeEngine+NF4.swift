import MergePlanning
import Platform
import Safetensors
import TileKernels

/// Jobs of weights that are made codes of half a byte again.
extension MergeEngine {
  /// Computes the rows of some bands and writes what one tensor has of them: codes, scales or scales of scales.
  func writeNF4(
    _ bands: Range<Int>, _ nibbles: Requantization.NF4Layout, _ segment: Int, _ tensor: MergePlan.Tensor,
    _ update: TensorUpdate, _ requantized: Requantization, _ file: OutputFile, _ worker: inout TileWorker,
    _ buffer: inout [UInt8], _ inputs: InputFiles, _ prepared: PreparedSteps, _ record: OutcomeCollector
  ) throws {
    let rows = requantized.rows(ofBands: bands)
    guard !rows.isEmpty, update.columns > 0 else { return }
    let path = inputs.path(of: tensor.source.input)
    if let nested = nibbles.nested { try check(nested, tensor, inputs) }
    let byteCount = try worker.read(tensor, update, rows: rows, into: &buffer)
    let weight = unsafe buffer.span.extracting(0..<byteCount).bytes
    let result = try worker.compute(tensor, update, rows: rows, weight: weight, prepared, .nearest)
    if result.nonFinite > 0, options.nonFinite == .fail {
      throw MergeError(
        path: path, tensor: tensor.name, .nonFinite(count: result.nonFinite, rows: rows, dtype: .f32))
    }
    guard let magnitudes = try worker.findMagnitudes(count: rows.count * update.columns, nibbles) else {
      throw MergeError(
        path: path, tensor: tensor.name, .codes("to hold numbers that are not finite, which NF4 has not"))
    }
    // Bands begin with a run of blocks that share a nested scale.
    let scales = NF4Scales(magnitudes[...], nibbles)
    let range = requantized.byteRange(ofBands: bands, elementByteCount: tensor.outputDType.bitCount / 8)
    let place = tensor.outputRange.lowerBound + range.lowerBound
    switch requantized.part {
    case .codes:
      let changes = try worker.encodeNF4(nibbles, update, rows: rows, weight: weight, magnitudes, scales)
      record.add(changes, segment: segment)
      record.addNonFinite(result.nonFinite, segment: segment)
      if let compared = worker.comparison?.rows {
        record.statistics?.add(segment: segment, rowCount: update.rows, rows: rows, compared)
      }
      try Self.write(worker.codes, to: file, at: place)
    case .scales:
      try Self.write(nibbles.nested == nil ? Self.bytes(scales.numbers) : scales.codes, to: file, at: place)
    case .nestedScales: try Self.write(Self.bytes(scales.nested), to: file, at: place)
    }
  }

  private static func write(_ bytes: [UInt8], to file: OutputFile, at place: Int) throws {
    let span = bytes.span
    try unsafe file.write(span.bytes, at: place)
  }

  /// The numbers of the scales' codes must be those that are written for.
  private func check(_ nested: QuantizedWeight.Nested, _ tensor: MergePlan.Tensor, _ inputs: InputFiles) throws {
    var bytes: [UInt8] = []
    try inputs.readAside(nested.map.input, nested.map.range, into: &bytes)
    guard bytes.prefix(nested.map.range.count).elementsEqual(Self.bytes(DynamicCodebook.numbers)) else {
      throw MergeError(path: inputs.path(of: nested.map.input), tensor: tensor.name, .codeMap("bitsandbytes' scales"))
    }
  }

  private static func bytes(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in
      let bits = value.bitPattern
      return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
    }
  }
}
