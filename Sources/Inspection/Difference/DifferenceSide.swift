import CPlainArithmetic
import Checkpoints
import ImageModels
import MergePlanning
import ModelNames
import Platform
import Safetensors

/// The weight files of one of two models that are compared.
struct DifferenceSide {
  let files: [(name: String, path: String, header: SafetensorsHeader)]
  /// Nil for a single file.
  let folder: String?
  private(set) var places: [TensorName: (file: Int, index: Int)] = [:]
  private let weights: StoredWeights
  /// Whether it may be an image model: an adapter is not.
  private let isModel: Bool

  init(_ path: String, variant: String?, workers: Int) throws {
    if ModelFolder(path) == .adapter {
      let name = "adapter_model.safetensors"
      let file = Paths.join(path, name)
      files = [(name, file, try SafetensorsHeader(path: file))]
      folder = path
      weights = .none
      isModel = false
    } else {
      let checkpoint = try Checkpoint(path: path, workers: workers, variant: variant)
      files = checkpoint.files.map { ($0.name, $0.path, $0.header) }
      folder = checkpoint.folder
      weights = StoredWeights(checkpoint)
      isModel = true
    }
    for (number, file) in files.enumerated() {
      for index in file.header.tensors.indices { places[file.header.tensors.name(at: index)] = (number, index) }
    }
  }

  /// How to compute with the elements of a tensor; nil if bytes are compared, as for codes of any dtype.
  func type(_ place: (file: Int, index: Int)) -> spa_dtype? {
    if case .codes = weights.role(file: place.file, index: place.index) { return nil }
    return PlainArithmetic.type(files[place.file].header.tensors[place.index].dtype)
  }

  func info(_ name: TensorName) -> TensorInfo? {
    places[name].map { files[$0.file].header.tensors[$0.index] }
  }

  /// The range of the tensor's bytes in its file.
  func range(_ place: (file: Int, index: Int)) -> Range<Int> {
    let header = files[place.file].header
    let offsets = header.tensors.dataOffsets(at: place.index)
    return header.dataStart + offsets.lowerBound..<header.dataStart + offsets.upperBound
  }

  /// The side as an image model; nil: it is of another kind.
  var imageModel: ImageModel? {
    guard isModel else { return nil }
    let shapes = places.mapValues { files[$0.file].header.tensors.shape(at: $0.index) }
    return ImageModel(names: shapes.keys.sorted(), in: StoredShapes(shapes: shapes))
  }

  /// The tensors as they are on disk.
  private struct StoredShapes: NamedTensors {
    let shapes: [TensorName: [Int]]

    func shape(of name: TensorName) -> [Int]? { shapes[name] }
    func storedShape(of name: TensorName) -> [Int]? { shapes[name] }
    func absent(_ name: TensorName) -> TensorName? { nil }
  }
}
