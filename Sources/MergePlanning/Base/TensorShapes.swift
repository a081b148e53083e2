import ModelNames
import Safetensors

/// The shapes and dtypes that the base's tensors have while adapters are matched, some of them replaced already.
struct TensorShapes: NamedTensors {
  let base: BaseTensors
  let vocabulary: VocabularyTensors
  let updates: [TensorName: PendingUpdate]

  func shape(of name: TensorName) -> [Int]? {
    if let replacement = updates[name]?.replacement { return replacement.shape }
    if let shape = updates[name]?.paddedShape { return shape }
    return storedShape(of: name) ?? vocabulary.storedTwin(of: name).flatMap { shape(of: $0) }
  }

  func storedShape(of name: TensorName) -> [Int]? { base.entry(name)?.info.shape }

  func absent(_ name: TensorName) -> TensorName? { vocabulary.absent(name) }

  /// Whether the base has the tensor, or an adapter brings it.
  func exists(_ name: TensorName) -> Bool { base.entry(name) != nil || updates[name]?.replacement != nil }

  /// The dtype of the base's tensor, or of the tensor that a new head starts from.
  func dtype(of name: TensorName) -> DType? {
    if let entry = base.entry(name) { return entry.info.dtype }
    if let twin = vocabulary.storedTwin(of: name) { return dtype(of: twin) }
    return updates[name]?.replacement?.source.dtype
  }

  /// The dtype that keeps a tensor from being merged into, its own or that of what replaces it; nil: none does.
  func unmergeableDType(of name: TensorName) -> DType? {
    [dtype(of: name), updates[name]?.replacement?.source.dtype].compactMap { $0 }.first { !$0.isMergeable }
  }
}
