/// Vectors of one length, one behind another: a matrix whose rows they are.
public struct VectorSet: Sendable, Equatable {
  /// How many vectors there are.
  public let count: Int
  /// Elements of each.
  public let length: Int
  /// `count * length` elements.
  public internal(set) var elements: [Float]

  /// - Precondition: There are `count * length` elements.
  public init(count: Int, length: Int, elements: [Float]) {
    precondition(count >= 0 && length >= 0 && elements.count == count * length)
    self.count = count
    self.length = length
    self.elements = elements
  }

  /// Vectors of zeros.
  public init(zeros count: Int, length: Int) {
    self.init(count: count, length: length, elements: [Float](repeating: 0, count: count * length))
  }

  /// The same vectors and then others of the same length.
  func appending(_ other: VectorSet) -> VectorSet {
    VectorSet(count: count + other.count, length: length, elements: elements + other.elements)
  }

  /// The matrix with rows and columns exchanged.
  public var transposed: VectorSet {
    VectorSet(
      count: length, length: count, elements: SpectralSums.transposed(elements, rows: count, columns: length))
  }

  /// One vector multiplied by a number.
  mutating func scale(_ index: Int, by factor: Float) {
    for place in index * length..<(index + 1) * length { elements[place] *= factor }
  }
}
