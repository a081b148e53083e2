import CPlainArithmetic
import MergePlanning
import Safetensors

/// How a tensor of a result compares with what was computed anew.
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
  /// The largest distance to the exact result, in the dtype's spacing (ulp) there.
  public internal(set) var worstError = 0.0
  /// Elements whose bits are not those of fp32 steps in the promised order; nil where these are not known.
  public internal(set) var otherBits: Int? = 0
  /// Elements farther from the exact result than one rounding and what fp32 steps in any order can be off.
  public internal(set) var beyondBound = 0
  /// Elements farther from it than one ulp and that.
  public internal(set) var beyondOneUlp = 0
  /// The first element beyond the bound, else the first with other bits.
  public internal(set) var example: Example?
  var exampleIsBeyond = false

  mutating func add(_ other: TensorComparison) {
    elementCount += other.elementCount
    otherwiseRounded += other.otherwiseRounded
    worstError = max(worstError, other.worstError)
    if let count = otherBits, let more = other.otherBits { otherBits = count + more } else { otherBits = nil }
    beyondBound += other.beyondBound
    beyondOneUlp += other.beyondOneUlp
    guard let new = other.example else { return }
    let isBetter =
      other.exampleIsBeyond == exampleIsBeyond
      ? example.map { (new.row, new.column) < ($0.row, $0.column) } ?? true : other.exampleIsBeyond
    if isBetter { (example, exampleIsBeyond) = (new, other.exampleIsBeyond) }
  }

  public var otherwiseShare: Double { elementCount == 0 ? 0 : Double(otherwiseRounded) / Double(elementCount) }

  /// Whether so many elements are off that it is not damage to single ones.
  func isWidespread(_ count: Int) -> Bool { count >= 16 && count * 1000 >= elementCount }
}

/// A tensor of a result and what it is to be compared with.
struct ComparisonSubject: Sendable {
  let name: TensorName
  /// Where it was before the merge.
  let source: MergePlan.Source
  /// Of the numbers that it stands for, if it is codes.
  let sourceType: spa_dtype
  /// What the source's codes stand for; nil: it holds numbers.
  let quantised: QuantisedWeight?
  let shape: [Int]
  let update: TensorUpdate
  /// Where the result has it.
  let file: Int
  let range: Range<Int>
  let type: spa_dtype
}
