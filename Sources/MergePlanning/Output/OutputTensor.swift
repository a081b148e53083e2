import Safetensors

/// A tensor of the output whose place is not settled yet.
struct OutputTensor {
  let name: TensorName
  let shape: [Int]
  let dtype: DType
  let content: MergePlan.Content
}
