import Checkpoints
import MergeEngine
import MergePlanning
import Platform
import Safetensors
import Synchronization
import TileKernels

/// The open files of a base and a tuned model.
final class ModelReading: Sendable {
  private let base: Checkpoint
  private let tuned: Checkpoint
  private let open = Mutex<[String: InputFile]>([:])

  init(base: Checkpoint, tuned: Checkpoint) {
    self.base = base
    self.tuned = tuned
  }

  /// The files of a pair of parameters.
  func paths(_ pair: ModelChange.Pair) -> [String] {
    [pair.base.map { base.files[$0.file].path }, tuned.files[pair.tuned.file].path].compactMap { $0 }
  }

  private func file(_ file: Checkpoint.File) throws(FileError) -> InputFile {
    let made: Result<InputFile, FileError> = open.withLock { open in
      if let known = open[file.path] { return .success(known) }
      do throws(FileError) {
        let new = try InputFile(path: file.path)
        guard new.identity == file.header.identity else { throw FileError(path: file.path, .changed) }
        open[file.path] = new
        return .success(new)
      } catch { return .failure(error) }
    }
    return try made.get()
  }

  private func side(_ parameter: LiveParameter, of model: Checkpoint) throws(FileError) -> WeightChange.Side? {
    guard let type = parameter.tensor.dtype.elementType else { return nil }
    let file = model.files[parameter.file]
    return WeightChange.Side(
      file: try self.file(file), start: Self.range(parameter, in: file).lowerBound, type: type)
  }

  /// The difference of two parameters, as a matrix of the first dimension and all others; nil: one has a dtype that is not computed
  /// with, or there is only one.
  func change(_ pair: ModelChange.Pair, _ kernels: KernelSet = .best) throws(FileError) -> WeightChange? {
    guard let before = pair.base, let one = try side(before, of: base), let other = try side(pair.tuned, of: tuned)
    else { return nil }
    let shape = pair.tuned.tensor.shape
    let rows = shape.first ?? 1
    let columns = shape.contains(0) ? 0 : shape.dropFirst().reduce(1, *)
    return WeightChange(base: one, tuned: other, rows: rows, columns: columns, kernels: kernels)
  }

  /// Whether two tensors of any dtype have the same bytes.
  func haveSameBytes(_ one: LiveParameter, _ other: LiveParameter) throws(FileError) -> Bool {
    guard one.tensor.dtype == other.tensor.dtype else { return false }
    let (file, otherFile) = (base.files[one.file], tuned.files[other.file])
    return try self.file(file).hasSameBytes(
      Self.range(one, in: file), as: self.file(otherFile), Self.range(other, in: otherFile))
  }

  private static func range(_ parameter: LiveParameter, in file: Checkpoint.File) -> Range<Int> {
    let offsets = parameter.tensor.dataOffsets
    return file.header.dataStart + offsets.lowerBound..<file.header.dataStart + offsets.upperBound
  }
}
