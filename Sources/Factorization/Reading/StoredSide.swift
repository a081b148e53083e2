import Checkpoints
import LowRank
import MergeEngine
import MergePlanning
import Safetensors
import TileKernels

/// A model as it is on disk; quantized weights are dequantized where they are read.
struct StoredSide: ModelSide {
  let model: Checkpoint
  let parameters: [LiveParameter]
  let reading: PlannedReading

  /// - Parameter names: Those of the model; nil: they are found here.
  /// - Throws: `FactorizationError` with `kind` for a model with weights that are not decoded; what reading headers throws.
  init(_ model: Checkpoint, _ names: LiveParameters? = nil, kernels: KernelSet) throws {
    self.model = model
    parameters = try (names ?? LiveParameters(of: model)).all
    reading = try PlannedReading(MergePlan(reading: model), kernels: kernels)
    let decoded = parameters.count { if case .codes = $0.weight { true } else { false } }
    let recognized = StoredWeights(model).weights
    if recognized.count > decoded, let first = recognized.first {
      throw FactorizationError(
        path: model.path, tensor: first.name.string,
        .kind("quantized (\(first.label))", hint: "extract from the models before quantization"))
    }
  }

  func path(of parameter: LiveParameter) -> String { model.files[parameter.file].path }

  func rows(of parameter: LiveParameter) throws -> any MatrixRows {
    guard parameter.weight.dtype.elementType != nil else {
      throw FactorizationError(
        path: model.files[parameter.file].path, tensor: parameter.tensor.name.string,
        .dtype(parameter.weight.dtype.name))
    }
    let tensor = ComputedTensor(
      reading: parameter.weight, name: parameter.tensor.name, shape: parameter.tensor.shape)
    return try ReshapedRows(reading.rows(tensor), shape: parameter.tensor.shape)
  }

  func change(of parameter: LiveParameter) -> KnownChange? { nil }

  func stored(_ parameter: LiveParameter) -> StoredTensor? {
    guard case .numbers(let source) = parameter.weight else { return nil }
    let file = model.files[source.input]
    return StoredTensor(source, shape: parameter.tensor.shape, path: file.path, header: file.header)
  }
}

extension PlannedRows: MatrixRows {}
