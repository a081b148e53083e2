import CPlainArithmetic
import MergePlanning
import Safetensors

/// The comparison of a result's tensor with the computed one.
public struct TensorComparison: Sendable, Equatable {
  /// An element that is not what was computed.
  public struct Example: Sendable, Equatable {
    public let row: Int
    public let column: Int
    public let found: Double
    public let exact: Double
  }

  public internal(set) var elementCount = 0
  /// Elements that are not the exact result rounded once.
  public internal(set) var otherwiseRounded = 0
  /// The largest distance to the exact result, in the dtype's spacing (ulp) at `|W| + |delta|`; where that is over 1, at |W|
  /// and the magnitudes of all products.
  public internal(set) var worstError = 0.0
  /// Elements in which W and the delta cancel: more than 1 ulp off at the small result, within 1 ulp at `|W| + |delta|`.
  public internal(set) var cancelled = 0
  /// Elements whose bits are not those of fp32 steps in the promised order; nil where these are not known.
  public internal(set) var otherBits: Int? = 0
  /// Elements farther from the exact result than one rounding and what fp32 steps in any order can be off.
  public internal(set) var beyondBound = 0
  /// Elements farther from it than one ulp, at `|W| + |delta|`, and that.
  public internal(set) var beyondOneUlp = 0
  /// Of ``beyondBound`` those that lie on the side of a larger delta, and of a smaller one.
  private var onLargerSide = 0
  private var onSmallerSide = 0
  /// The largest part of an element's delta that would have to be added or left out to explain where it is.
  private var largestPart = 0.0
  /// The first element beyond the bound, else the first with other bits.
  public internal(set) var example: Example?
  private var exampleIsBeyond = false

  mutating func add(_ other: TensorComparison) {
    elementCount += other.elementCount
    otherwiseRounded += other.otherwiseRounded
    worstError = max(worstError, other.worstError)
    if let count = otherBits, let more = other.otherBits { otherBits = count + more } else { otherBits = nil }
    beyondBound += other.beyondBound
    beyondOneUlp += other.beyondOneUlp
    cancelled += other.cancelled
    onLargerSide += other.onLargerSide
    onSmallerSide += other.onSmallerSide
    largestPart = max(largestPart, other.largestPart)
    guard let new = other.example else { return }
    let isBetter =
      other.exampleIsBeyond == exampleIsBeyond
      ? example.map { (new.row, new.column) < ($0.row, $0.column) } ?? true : other.exampleIsBeyond
    if isBetter { (example, exampleIsBeyond) = (new, other.exampleIsBeyond) }
  }

  public var otherwiseShare: Double { elementCount == 0 ? 0 : Double(otherwiseRounded) / Double(elementCount) }

  /// Counts an element beyond the bound: on which side it is, and how much of its delta that is.
  mutating func addSide(delta: Double, error: Double, allowed: Double) {
    guard error.isFinite, delta != 0 else { return }
    if delta * error > 0 { onLargerSide += 1 } else { onSmallerSide += 1 }
    largestPart = max(largestPart, (abs(error) - allowed) / abs(delta))
  }

  /// Keeps an element as the example, if it is the first beyond the bound, or the first with other bits while none is beyond.
  mutating func keepExample(row: Int, column: Int, found: Double, exact: Double, isBeyond: Bool, _ isMismatched: Bool) {
    guard isBeyond || isMismatched, example == nil || (isBeyond && !exampleIsBeyond) else { return }
    example = Example(row: row, column: column, found: found, exact: exact)
    exampleIsBeyond = isBeyond
  }

  /// The fault of a delta that has another scale, if nearly all elements that are off lie on one side and a part of the delta
  /// explains each.
  ///
  /// Roundings more than once move elements to both sides; only at a power of two, where the spacing doubles, one side is
  /// twice as likely. Rounding at random moves elements whose delta is small to the larger side, but by many times that.
  var scaleFault: Fault? {
    let count = onLargerSide + onSmallerSide
    guard count >= 64, largestPart <= 1 else { return nil }
    if onLargerSide * 20 >= count * 17 { return .scaleTooLarge }
    return onSmallerSide * 20 >= count * 17 ? .scaleTooSmall : nil
  }

  /// Whether so many elements are off that it is not damage to single ones.
  func isWidespread(_ count: Int) -> Bool { count >= 16 && count * 1000 >= elementCount }
}

/// A tensor of a result and what it is to be compared with.
struct ComparisonSubject: Sendable {
  let name: TensorName
  /// What it was before the merge.
  let weight: WeightSource
  /// Of the weight's numbers.
  let sourceType: spa_dtype
  let shape: [Int]
  let update: TensorUpdate
  /// Where the result has it.
  let file: Int
  let range: Range<Int>
  let type: spa_dtype
}
