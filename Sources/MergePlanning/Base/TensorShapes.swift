import ModelNames
import Safetensors

/// The shapes that the base's tensors have while adapters are matched, some of them replaced already.
struct TensorShapes: NamedTensors {
  let base: BaseTensors
  let vocabulary: VocabularyTensors
  let works: [TensorName: PendingUpdate]

  func shape(of name: TensorName) -> [Int]? {
    if let replacement = works[name]?.replacement { return replacement.shape }
    return storedShape(of: name) ?? vocabulary.storedTwin(of: name).flatMap { shape(of: $0) }
  }

  func storedShape(of name: TensorName) -> [Int]? { base.entry(name)?.info.shape }

  func absent(_ name: TensorName) -> TensorName? { vocabulary.absent(name) }
}
