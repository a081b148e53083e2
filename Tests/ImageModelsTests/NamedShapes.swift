import ModelNames
import Safetensors

/// Tensors by names and shapes alone.
struct NamedShapes: NamedTensors {
  let shapes: [TensorName: [Int]]

  init(_ tensors: [(name: String, shape: [Int])]) {
    shapes = Dictionary(tensors.map { (TensorName($0.name), $0.shape) }) { first, _ in first }
  }

  func shape(of name: TensorName) -> [Int]? { shapes[name] }
  func storedShape(of name: TensorName) -> [Int]? { shapes[name] }
  func absent(_ name: TensorName) -> TensorName? { nil }
}
