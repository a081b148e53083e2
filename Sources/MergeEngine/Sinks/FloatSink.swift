import MergePlanning
import Safetensors
import TileKernels

/// Writes merged rows as floating-point numbers.
struct FloatSink {
  /// Computes rows and writes them.
  ///
  /// - Parameter buffer: Room for the rows of the base.
  func write(
    _ rows: Range<Int>, _ place: SinkPlace, _ worker: inout TileWorker, _ buffer: inout [UInt8]
  ) throws {
    let (tensor, update, record) = (place.tensor, place.tensor.update, place.jobs.record)
    let weightByteCount = try worker.read(tensor, rows: rows, scales: place.prepared.scales, into: &buffer)
    let weight = unsafe buffer.span.extracting(0..<weightByteCount).bytes
    let comparesRows = record.statistics != nil && update.changesElements
    let rounding = TileRounding(place.jobs.options.rounding, of: tensor.name)
    let result = try worker.compute(tensor, rows: rows, weight: weight, place.prepared, rounding)
    if comparesRows { try worker.compare(tensor, rows: rows, weight: weight) }
    if update.changesElements, let count = try worker.countReturns(tensor, rows: rows, weight: weight) {
      record.addReturns(count, segment: place.segment)
    }
    if comparesRows, case .numbersThroughQLoRA = tensor.weight {
      let lost = try worker.compareTraining(tensor, rows: rows, weight: weight)
      record.training.add(segment: place.segment, rowCount: update.rows, rows: rows, lost)
    }
    let tileCount = place.jobs.schedule.segments[place.segment].jobCount
    if ChangeSample.includes(tile: place.position, of: tileCount), update.addsProduct {
      record.add(try worker.sampleChange(tensor, rows: rows, weight: weight), segment: place.segment)
    }
    try place.check(nonFinite: result.nonFinite, rows: rows, dtype: tensor.outputDType)
    let outputRow = update.columns * tensor.outputDType.bitCount / 8
    try place.write(worker.buffers.output, count: result.byteCount, at: rows.lowerBound * outputRow)
    if comparesRows { place.addStatistics(worker.comparison, rows: rows) }
    record.addNonFinite(result.nonFinite, segment: place.segment)
  }
}
