import AdapterWriting
import Safetensors

extension [FinishedUnit] {
  /// The factors of every unit have the scaling 1.
  var scalings: WrittenScalings {
    var scalings = WrittenScalings()
    for tensor in flatMap(\.tensors) { scalings.expect(1, of: tensor.name) }
    return scalings
  }
}
