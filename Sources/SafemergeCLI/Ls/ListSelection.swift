import Checkpoints
import MergePlanning
import Platform
import Safetensors

/// The tensors of some listings that the globs let through, and which of them are one quantized weight together.
///
/// A glob may fit the name of the weight or that of its codes; its parts go with it. A part that a glob names for itself
/// is listed as the tensor that it is.
struct ListSelection: Sendable {
  let listings: [Listing]
  /// Of each listing; none where the parts are to be seen.
  let weights: [StoredWeights]
  /// Whether globs leave something out.
  let isFiltered: Bool
  private let filter: NameFilter
  /// Of each weight of each listing, whether it is listed.
  private let isShown: [[Bool]]

  /// - Parameter folds: Whether quantized weights are one row each.
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

  /// The places of the tensors of a file that are let through, alone or as members of a weight.
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

  /// What a tensor is in the list.
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

  /// The bytes of a row: of all members of a weight, or of a tensor.
  func byteCount(_ tensor: ListedTensor) -> Int {
    let files = listings[tensor.listing].files
    guard let weight = weight(tensor) else {
      return files[tensor.file].header.tensors.dataOffsets(at: tensor.index).count
    }
    return weight.members.reduce(0) { $0 + files[$1.file].header.tensors.dataOffsets(at: $1.index).count }
  }

  /// The parameters of the model that a row stands for. Codes and parts count so where they are listed alone, too.
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

  /// The rows of the list, in the order of paths and files. The files are gone through on all processors, and each brings
  /// its names in order already if that is wanted.
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
