import ArgumentParser
import Safetensors

/// The dtype of the factors of a new adapter.
struct FactorDTypeOptions: ParsableArguments {
  @Option(
    name: .customLong("dtype"),
    help: ArgumentHelp(
      "Dtype of the factors; auto keeps the dtype of the input's. Default: float32.", valueName: "dtype"))
  var given: OutputDType?

  /// Nil: the input's.
  var dtype: DType? { given.map(\.dtype) ?? .f32 }
}
