import Checksums
import Inspection
import MergeEngine
import Platform
import Reports
import Safetensors

/// The data that `ls` has read.
struct ListedData: Sendable {
  /// For each listed tensor, in the list's order; nil if not requested. A dtype without figures has nil.
  let figures: [ElementFigures?]?
  let tensorChecksums: [SHA256Checksum]?
  /// By the file's path; nil if not requested.
  let fileChecksums: [String: SHA256Checksum]?

  static let none = ListedData(figures: nil, tensorChecksums: nil, fileChecksums: nil)

  private init(
    figures: [ElementFigures?]?, tensorChecksums: [SHA256Checksum]?, fileChecksums: [String: SHA256Checksum]?
  ) {
    self.figures = figures
    self.tensorChecksums = tensorChecksums
    self.fileChecksums = fileChecksums
  }

  /// Reads the data of the tensors, or the files whole, on `workers` threads.
  init(
    _ tensors: [ListedTensor], _ listings: [Listing], statistics: Bool, hash: LsCommand.Hash?, workers: Int,
    progress: ProgressLine.Mode
  ) throws {
    let files = listings.flatMap(\.files)
    var starts: [Int] = []
    var fileCount = 0
    for listing in listings {
      starts.append(fileCount)
      fileCount += listing.files.count
    }
    var places: [[Int]] = files.map { _ in [] }
    for (place, tensor) in tensors.enumerated() { places[starts[tensor.listing] + tensor.file].append(place) }
    let sources = zip(files, places).map { file, places in
      TensorScan.Source(path: file.path, header: file.header, tensors: places.map { tensors[$0].index })
    }
    let dataByteCount = sources.reduce(0) { sum, source in
      source.tensors.reduce(sum) { $0 + source.header.tensors.dataOffsets(at: $1).count }
    }
    let fileByteCount = files.reduce(0) { $0 + $1.header.fileByteCount }
    let line = ReadingLine(
      byteCount: (statistics ? dataByteCount : 0)
        + (hash == .tensors ? dataByteCount : hash == .files ? fileByteCount : 0), mode: progress)
    defer { line.finish() }
    /// Reorders from the files' order to the list's.
    func listed<Value>(_ found: [[Value]]) -> [Value] {
      zip(places.joined(), found.joined()).sorted { $0.0 < $1.0 }.map(\.1)
    }
    figures = statistics ? listed(try TensorScan.figures(sources, workers: workers, progress: line.add)) : nil
    tensorChecksums =
      hash == .tensors ? listed(try TensorScan.checksums(sources, workers: workers, progress: line.add)) : nil
    fileChecksums =
      hash == .files
      ? Dictionary(
        zip(
          files.map(\.path),
          try TensorScan.fileChecksums(
            files.map { (path: $0.path, header: $0.header) }, workers: workers, progress: line.add))
      ) { one, _ in one } : nil
  }
}

extension ElementFigures {
  /// The columns and JSON members, in order.
  static let columns = ["min", "max", "mean", "rms", "zeros", "nan", "inf"]

  /// With 4 digits; "-" if there is no value.
  var cells: [String] {
    [minimum, maximum, mean, rootMeanSquare].map { $0.map(NumberText.short) ?? "-" }
      + [zeroCount, nanCount, infinityCount].map(NumberText.grouped)
  }

  /// With all significant digits; empty if there is no value.
  var fullCells: [String] {
    [minimum, maximum, mean, rootMeanSquare].map { $0.map { "\($0)" } ?? "" }
      + [zeroCount, nanCount, infinityCount].map { String($0) }
  }
}
