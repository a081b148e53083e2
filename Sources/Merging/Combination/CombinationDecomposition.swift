import LinearAlgebra
import Safetensors
import TileKernels

/// The combination of one module's updates as whole matrices, and its best approximation of a rank.
///
/// `D = combine(s_i (B_i A_i), weights w_i)` is rows x columns, in fp32 as PEFT computes it; with `D = U diag(S) Vh` the
/// factors are `B' = U_k diag(S_k)` and `A' = Vh_k`, of the k largest singular values.
///
/// Source: PEFT 0.21.2 `LoraModel._svd_generalized_task_arithmetic_weighted_adapter`; torch's `quantile` (linear).
struct CombinationDecomposition {
  /// One adapter's factors, row-major in fp32: A is rank x columns, B is rows x rank.
  struct Update {
    let a: [Float]
    let b: [Float]
    let rank: Int
    let scaling: Float
    let weight: Float
    /// For the methods that choose at random.
    let stream: RandomStream
  }

  let method: CombinationMethod
  let rows: Int
  let columns: Int
  /// k, at least 1 and at most the rows and the columns.
  let rank: Int
  /// The quantile of all elements of both factors that their magnitudes are clamped to; nil: they are not.
  let clamp: Double?

  /// A' (rank x columns) and B' (rows x rank).
  func factors(
    of updates: [Update], _ algebra: LinearAlgebra, _ kernels: KernelSet
  ) throws -> (a: [Float], b: [Float]) {
    let found = try algebra.singularValues(of: try sum(updates, kernels), rows: rows, columns: columns)
    let count = found.values.count
    var a = Array(found.right[..<(rank * columns)])
    var b = (0..<rows * rank).map { found.left[$0 / rank * count + $0 % rank] * found.values[$0 % rank] }
    if let clamp {
      let limit = Self.quantile(clamp, of: b + a)
      for index in a.indices { a[index] = min(max(a[index], -limit), limit) }
      for index in b.indices { b[index] = min(max(b[index], -limit), limit) }
    }
    return (a, b)
  }

  private func sum(_ updates: [Update], _ kernels: KernelSet) throws -> [Float] {
    let deltas = try updates.map { try delta($0, kernels) }
    return try CombinationArithmetic(method: method).combine(
      deltas, weights: updates.map(\.weight), streams: updates.map(\.stream), kernels: kernels)
  }

  private func delta(_ update: Update, _ kernels: KernelSet) throws -> [Float] {
    let right = try PackedRight(rowMajor: update.a, rows: update.rank, columns: columns, kernels: kernels)
    var delta = [Float](repeating: -0.0, count: rows * columns)
    var span = delta.mutableSpan
    try kernels.addLowRank(to: &span, left: update.b.span, right: right, rows: rows, scale: update.scaling)
    return delta
  }

  /// The most elements that torch finds a quantile of.
  static let quantileLimit = 16_000_000

  /// The element at a share of the way from the smallest to the largest, between two neighbors in proportion; every
  /// operation in fp32, as torch does.
  ///
  /// - Parameters:
  ///   - share: From 0 to 1.
  ///   - elements: At least one, at most ``quantileLimit``, all finite.
  static func quantile(_ share: Double, of elements: [Float]) -> Float {
    let sorted = elements.sorted()
    let place = Float(share) * Float(sorted.count - 1)
    let below = min(Int(place), sorted.count - 1)
    let weight = place - Float(below)
    let (low, high) = (sorted[below], sorted[min(Int(place.rounded(.up)), sorted.count - 1)])
    return weight < 0.5 ? low + weight * (high - low) : high - (high - low) * (1 - weight)
  }
}
