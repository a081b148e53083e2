import Checkpoints
import MergePlanning
import Platform
import Safetensors

/// The tensors of some listings that match the globs, and which of them form one quantized weight.
///
/// A glob may match the name of the weight or of its codes, and then includes its parts. A part that a glob matches
/// alone is listed as a plain tensor.
struct ListSelection: Sendable {
  let listings: [Listing]
  /// The folded weights of each listing; empty if parts are listed.
  let weights: [StoredWeights]
  /// Whether the globs exclude anything.
  let isFiltered: Bool
  private let filter: NameFilter
  /// For each weight of each listing, whether it is listed.
  private let isShown: [[Bool]]

  /// - Parameter folds: Whether a quantized weight is one row.
  init(_ listings: [Listing], _ filter: NameFilter = NameFilter(include: [], exclude: []), folds: Bool = true) {
    self.listings = listings
    self.filter = filter
    isFiltered = !filter.letsAllThrough
    let weights = listings.map { folds ? $0.weights : .none }
    isShown = zip(listings, weights).map { listing, weights in
      weights.weights.map { weight in
        filter.letsThrough(weight.name.string)
          || filter.letsThrough(
            listing.files[weight.codes.file].header.tensors.name(at: weight.codes.index).string)
      }
    }
    self.weights = weights
  }

  /// The positions of the selected tensors of a file, alone or as members of a weight.
  func places(listing: Int, file: Int) -> [Int] {
    let tensors = listings[listing].files[file].header.tensors
    guard isFiltered else { return Array(tensors.indices) }
    let weights = weights[listing]
    return tensors.indices.filter { index in
      switch weights.role(file: file, index: index) {
      case .codes(let weight) where isShown[listing][weight], .part(let weight) where isShown[listing][weight]: true
      default: filter.letsThrough(tensors.name(at: index).string)
      }
    }
  }

  /// The role of a tensor in the list.
  func role(listing: Int, file: Int, index: Int) -> StoredWeights.Role {
    let role = weights[listing].role(file: file, index: index)
    switch role {
    case .codes(let weight) where isShown[listing][weight], .part(let weight) where isShown[listing][weight]:
      return role
    default: return .plain
    }
  }

  func weight(_ tensor: ListedTensor) -> StoredWeight? {
    tensor.weight.map { weights[tensor.listing].weights[$0] }
  }

  /// The bytes of a row: all members of a weight, or a tensor.
  func byteCount(_ tensor: ListedTensor) -> Int {
    let files = listings[tensor.listing].files
    guard let weight = weight(tensor) else {
      return files[tensor.file].header.tensors.dataOffsets(at: tensor.index).count
    }
    return weight.members.reduce(0) { $0 + files[$1.file].header.tensors.dataOffsets(at: $1.index).count }
  }

  /// The number of model parameters in a row, also for codes and parts that are listed alone.
  func parameterCount(_ tensor: ListedTensor) -> Int {
    let shape = listings[tensor.listing].files[tensor.file].header.tensors.dimensions(at: tensor.index)
    return weights[tensor.listing].parameterCount(
      file: tensor.file, index: tensor.index,
      elementCount: shape.reduce(1) { $0 &* Int(truncatingIfNeeded: $1) })
  }

  func elementType(_ tensor: ListedTensor) -> ElementType {
    weight(tensor).map { .format($0.label) }
      ?? .dtype(listings[tensor.listing].files[tensor.file].header.tensors.dtype(at: tensor.index))
  }

  /// The rows of the list, in the order of paths and files. Files are processed on all processors, and the names of
  /// each are already sorted if requested.
  ///
  /// - Parameter folds: Whether a weight is one row; else all its tensors are listed.
  func rows(folds: Bool, isOrdered: Bool) throws -> [ListedTensor] {
    let files = listings.enumerated().flatMap { listing, content in
      content.files.enumerated().map { (listing: listing, file: $0, tensors: $1.header.tensors) }
    }
    return try WorkQueue.map(files) { listing, file, tensors in
      let rows = places(listing: listing, file: file).compactMap { index -> ListedTensor? in
        switch folds ? role(listing: listing, file: file, index: index) : .plain {
        case .part: return nil
        case .codes(let weight):
          let name = weights[listing].weights[weight].name.string
          return ListedTensor(name: name, listing: listing, file: file, index: index, weight: weight)
        case .plain:
          return ListedTensor(name: tensors.name(at: index).string, listing: listing, file: file, index: index)
        }
      }
      return isOrdered ? rows.sorted { NaturalOrder.precedes($0.name, $1.name) } : rows
    }.flatMap { $0 }
  }
}
