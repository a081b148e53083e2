import ArgumentParser
import Safetensors

/// The dtype of the factors of a new adapter.
struct FactorDTypeOptions: ParsableArguments {
  @Option(
    name: .customLong("dtype"),
    help: ArgumentHelp(
      "Dtype of the factors; auto keeps the dtype of the input's. Default: float32.", valueName: "dtype"))
  var given: OutputDType?

  /// The dtype that is asked for; with auto the dtype of most elements of the input, among those that factors can have.
  func dtype(of input: [SafetensorsHeader]) -> DType {
    guard let given else { return .f32 }
    if let dtype = given.dtype { return dtype }
    var counts: [DType: Int] = [:]
    for tensor in input.lazy.flatMap(\.tensors) where [.f32, .f16, .bf16].contains(tensor.dtype) {
      counts[tensor.dtype, default: 0] += tensor.dataOffsets.count
    }
    return counts.max { ($0.value, $0.key.name) < ($1.value, $1.key.name) }?.key ?? .f32
  }
}
