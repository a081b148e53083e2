/// Reasons that fields of several methods don't affect the weights.
extension QuantizationField {
  static let loadingOnly = "says how to load or run the codes, not what they stand for"
  static let makingOnly = "says how the codes were found"
  static let inputsOnly = "rounds the inputs of layers that are quantized; a layer that is merged has none"
  static let toldByTensors = "the tensors say it"
}
