import Checksums
import Platform
import Safetensors

/// Reads the data of tensors a piece at a time on several threads, for figures and checksums.
public enum TensorScan {
  /// Tensors of one file.
  public struct Source: Sendable {
    public let path: String
    public let header: SafetensorsHeader
    /// Positions in the header's table.
    public let tensors: [Int]

    public init(path: String, header: SafetensorsHeader, tensors: [Int]) {
      self.path = path
      self.header = header
      self.tensors = tensors
    }
  }

  /// Bytes per read: they stay in the second-level cache while they are scanned.
  static let blockByteCount = 256 << 10
  /// Bytes that one thread takes at a time.
  static let pieceByteCount = 8 << 20

  private struct Piece {
    let source: Int
    /// The place of the tensor in the source's list.
    let tensor: Int
    /// In the file.
    let range: Range<Int>
    let reader: ElementReader
  }

  /// The figures of each tensor, in the order of the sources and their lists; nil for a dtype whose elements are not
  /// single numbers: F6 and C64.
  ///
  /// Memory: 256 KiB a thread, and one set of figures for each 8 MiB. The result does not depend on `workers`.
  ///
  /// - Parameters:
  ///   - workers: Threads, at least 1.
  ///   - progress: Called on any thread with the number of bytes read since the last call.
  /// - Throws: ``FileError``: a system call failed, or a file is not the one whose header was read.
  public static func figures(
    _ sources: [Source], workers: Int, progress: @Sendable (_ byteCount: Int) -> Void
  ) throws -> [[ElementFigures?]] {
    let pieces = pieces(of: sources)
    let found = try run(count: pieces.count, workers: workers) { number, buffer, file in
      let piece = pieces[number]
      let source = sources[piece.source]
      let input = try file.open(source.path, source.header)
      var figures = ElementFigures()
      for start in stride(from: piece.range.lowerBound, to: piece.range.upperBound, by: blockByteCount) {
        let range = start..<min(start + blockByteCount, piece.range.upperBound)
        try input.read(range, into: &buffer)
        unsafe figures.add(piece.reader.figures(buffer.span.bytes.extracting(0..<range.count)))
        progress(range.count)
      }
      return figures
    }
    var results = sources.map { source in
      source.tensors.map { ElementReader(source.header.tensors.dtype(at: $0)) == nil ? nil : ElementFigures() }
    }
    for (piece, figures) in zip(pieces, found) { results[piece.source][piece.tensor]?.add(figures) }
    return results
  }

  private static func pieces(of sources: [Source]) -> [Piece] {
    var pieces: [Piece] = []
    for (number, source) in sources.enumerated() {
      for (place, index) in source.tensors.enumerated() {
        guard let reader = ElementReader(source.header.tensors.dtype(at: index)) else { continue }
        let data = source.header.tensors.dataOffsets(at: index)
        let (start, end) = (data.lowerBound + source.header.dataStart, data.upperBound + source.header.dataStart)
        for first in stride(from: start, to: end, by: pieceByteCount) {
          let range = first..<min(first + pieceByteCount, end)
          pieces.append(Piece(source: number, tensor: place, range: range, reader: reader))
        }
      }
    }
    return pieces
  }

  /// The SHA-256 of each tensor's bytes, in the order of the sources and their lists: equal contents have equal
  /// checksums, whatever their names and files are.
  ///
  /// - Throws: ``FileError``, as ``figures(_:workers:progress:)``.
  public static func checksums(
    _ sources: [Source], workers: Int, progress: @Sendable (_ byteCount: Int) -> Void
  ) throws -> [[SHA256Checksum]] {
    let places = sources.enumerated().flatMap { number, source in source.tensors.map { (number, $0) } }
    let found = try run(count: places.count, workers: workers) { number, buffer, file in
      let (source, index) = (sources[places[number].0], places[number].1)
      let data = source.header.tensors.dataOffsets(at: index)
      let start = source.header.dataStart
      return try checksum(
        try file.open(source.path, source.header), data.lowerBound + start..<data.upperBound + start, &buffer, progress)
    }
    var rest = found[...]
    return sources.map { source in
      defer { rest = rest.dropFirst(source.tensors.count) }
      return Array(rest.prefix(source.tensors.count))
    }
  }

  /// The SHA-256 of each whole file, as `sha256sum` prints it.
  ///
  /// - Throws: ``FileError``, as ``figures(_:workers:progress:)``.
  public static func fileChecksums(
    _ files: [(path: String, header: SafetensorsHeader)], workers: Int, progress: @Sendable (_ byteCount: Int) -> Void
  ) throws -> [SHA256Checksum] {
    try run(count: files.count, workers: workers) { number, buffer, file in
      let (path, header) = files[number]
      return try checksum(try file.open(path, header), 0..<header.fileByteCount, &buffer, progress)
    }
  }

  private static func checksum(
    _ input: InputFile, _ range: Range<Int>, _ buffer: inout [UInt8], _ progress: (Int) -> Void
  ) throws -> SHA256Checksum {
    try FileChecksum.of(input, range, through: &buffer, progress: progress)
  }

  /// The file that a worker has open.
  private struct OpenFile {
    private var input: InputFile?

    mutating func open(_ path: String, _ header: SafetensorsHeader) throws -> InputFile {
      if let input, input.path == path { return input }
      let opened = try InputFile(path: path)
      guard opened.identity == header.identity else { throw FileError(path: path, .changed) }
      input = opened
      return opened
    }
  }

  /// The state of one thread.
  private struct Worker {
    var buffer = [UInt8](repeating: 0, count: blockByteCount)
    var file = OpenFile()
  }

  /// The results of numbered jobs, in their order.
  private static func run<Value: Sendable>(
    count: Int, workers: Int,
    _ job: @Sendable (_ number: Int, _ buffer: inout [UInt8], _ file: inout OpenFile) throws -> Value
  ) throws -> [Value] {
    let makeWorker: @Sendable () -> Worker = { Worker() }
    return try WorkQueue.values(count, workers: workers, each: makeWorker) { number, worker in
      try job(number, &worker.buffer, &worker.file)
    }
  }
}
