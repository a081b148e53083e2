import MergePlanning
import Safetensors
import TileKernels

/// Writes merged rows as NF4 again: codes, their scales, and the scales of scales are tensors of their own.
struct NF4Sink {
  /// The merged rows, then what their codes stand for.
  private var values: [Float] = []
  /// Two in a byte.
  private var codes: [UInt8] = []
  /// ``values`` as bytes.
  private var decoded: [UInt8] = []

  /// Computes the rows of some bands and writes what the tensor has of them: codes, scales or scales of scales.
  mutating func write(
    _ bands: Range<Int>, _ layout: Requantization.NF4Layout, _ requantized: Requantization, _ place: SinkPlace,
    _ worker: inout TileWorker,
    _ buffer: inout [UInt8]
  ) throws {
    let (tensor, update, record) = (place.tensor, place.tensor.update, place.jobs.record)
    let rows = requantized.rows(ofBands: bands)
    guard !rows.isEmpty, update.columns > 0 else { return }
    if let nested = layout.nested { try check(nested, place) }
    let byteCount = try worker.read(tensor, rows: rows, into: &buffer)
    let weight = unsafe buffer.span.extracting(0..<byteCount).bytes
    let result = try worker.compute(tensor, rows: rows, weight: weight, place.prepared, .nearest)
    try place.check(nonFinite: result.nonFinite, rows: rows, dtype: .f32)
    guard let magnitudes = try findMagnitudes(count: rows.count * update.columns, layout, worker) else {
      throw place.error(.codes("to hold numbers that are not finite, which NF4 has not"))
    }
    // Bands begin with a run of blocks that share a nested scale.
    let scales = NF4Scales(magnitudes[...], layout)
    let range = requantized.byteRange(ofBands: bands, elementByteCount: tensor.outputDType.bitCount / 8)
    switch requantized.part {
    case .codes:
      let loss = try encode(layout, update, rows: rows, weight: weight, magnitudes, scales, &worker)
      record.add(loss, segment: place.segment)
      record.addNonFinite(result.nonFinite, segment: place.segment)
      place.addStatistics(worker.comparison, rows: rows)
      try place.write(codes, at: range.lowerBound)
    case .scales:
      try place.write(layout.nested == nil ? Self.bytes(scales.numbers) : scales.codes, at: range.lowerBound)
    case .nestedScales: try place.write(Self.bytes(scales.nested), at: range.lowerBound)
    }
  }

  /// The numbers of the scales' codes must be those that are written for.
  private func check(_ nested: QuantizedWeight.Nested, _ place: SinkPlace) throws {
    var bytes: [UInt8] = []
    try place.jobs.inputs.readAside(nested.map.input, nested.map.range, into: &bytes)
    guard bytes.prefix(nested.map.range.count).elementsEqual(Self.bytes(DynamicCodebook.numbers)) else {
      throw place.error(.codeMap("bitsandbytes' scales"), input: nested.map.input)
    }
  }

  private static func bytes(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in
      let bits = value.bitPattern
      return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
    }
  }

  /// The largest magnitudes in the blocks of the rows that were computed last, which are fp32 and begin with a block; makes
  /// ``values`` these rows.
  ///
  /// - Returns: Nil if an element is not finite, which has no code.
  private mutating func findMagnitudes(
    count: Int, _ layout: Requantization.NF4Layout, _ worker: borrowing TileWorker
  ) throws -> [Float]? {
    values.grow(to: count, filler: 0)
    try worker.kernels.widen(worker.buffers.output, as: .f32, count: count, into: &values)
    guard values[..<count].allSatisfy(\.isFinite) else { return nil }
    var magnitudes = [Float](repeating: 0, count: (count - 1) / layout.block + 1)
    try worker.kernels.findMagnitudes(values, count: count, block: layout.block, into: &magnitudes)
    return magnitudes
  }

  /// Makes ``values`` what their codes stand for, and ``codes`` the codes; counts what became of them.
  ///
  /// - Parameter weight: These rows before the merge, in fp32.
  private mutating func encode(
    _ layout: Requantization.NF4Layout, _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan,
    _ magnitudes: [Float], _ scales: NF4Scales, _ worker: inout TileWorker
  ) throws -> RequantizationLoss {
    let count = rows.count * update.columns
    var single = [UInt8](repeating: 0, count: count)
    try worker.kernels.throughNF4(
      &values, count: count, block: layout.block, magnitudes: magnitudes, scales: scales.numbers, codes: &single)
    // A nibble that stands for nothing has the code of 0, as bitsandbytes writes it.
    codes = (0..<(count + 1) / 2).map { pair in
      single[2 * pair] << 4 | (2 * pair + 1 < count ? single[2 * pair + 1] : Self.zeroCode)
    }
    let loss = try compare(single, before: weight, scales.numbers, layout.block, worker)
    decoded.grow(to: count * 4, filler: 0)
    try worker.kernels.round(values, count: count, into: &decoded, as: .f32)
    try worker.compare(decoded, update, rows: rows, weight: weight)
    return loss
  }

  private static let zeroCode: UInt8 = 7

  /// How many codes changed, and how many changes are at least half the distance from the new code's number to the nearer of
  /// its neighbors.
  private func compare(
    _ single: [UInt8], before weight: RawSpan, _ scales: [Float], _ block: Int, _ worker: borrowing TileWorker
  ) throws -> RequantizationLoss {
    let (intended, areDeltas) = (worker.buffers.computed, worker.buffers.isDelta)
    var old = [Float](repeating: 0, count: areDeltas ? 0 : single.count)
    if !areDeltas {
      var span = old.mutableSpan
      try worker.kernels.widen(weight, as: .f32, into: &span)
    }
    let before = worker.reader.codes
    var loss = RequantizationLoss()
    for (index, code) in single.enumerated() {
      let pair = before[index / 2]
      if code != (index % 2 == 0 ? pair >> 4 : pair & 15) { loss.changedCount += 1 }
      let change = abs(areDeltas ? intended[index] : intended[index] - old[index])
      if change > 0, change >= Codebooks.nf4HalfSteps[Int(code)] * abs(scales[index / block]) {
        loss.halfStepCount += 1
      }
    }
    return loss
  }
}
