#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Counts of numbers between edges.
struct Histogram: Equatable {
  struct Tick: Equatable {
    /// Between 0, the first edge, and 1, the last one.
    let position: Double
    let label: String
  }

  let counts: [Int]
  let ticks: [Tick]
  /// Numbers that do not fit on a logarithmic axis.
  let zeroCount: Int
  /// The position of the marked number; nil if there is none, or it is outside.
  let mark: Double?

  var largest: Int { counts.max() ?? 0 }
  var isEmpty: Bool { largest == 0 }

  private static let lowestDecade = -9

  /// Bins over powers of ten: four per power, or two if there are many.
  ///
  /// - Parameter mark: A number that the picture marks.
  init(logarithmic numbers: [Double], mark: Double?) {
    let finite = numbers.filter(\.isFinite)
    let positive = finite.filter { $0 > 0 }
    zeroCount = finite.count - positive.count
    guard let least = positive.min(), let most = positive.max() else {
      counts = []
      ticks = []
      self.mark = nil
      return
    }
    // Everything below that is in the first bin.
    let first = max(Self.lowestDecade, min(8, Int(floor(log10(least)))))
    let last = max(first + 1, min(9, Int(floor(log10(most))) + 1))
    let decades = last - first
    let binsPerDecade = decades <= 4 ? 4 : 2
    func position(_ number: Double) -> Double { (log10(number) - Double(first)) / Double(decades) }
    var counts = [Int](repeating: 0, count: decades * binsPerDecade)
    for number in positive {
      let bin = Int((position(number) * Double(counts.count)).rounded(.down).clamped(to: 0...Double(counts.count - 1)))
      counts[bin] += 1
    }
    self.counts = counts
    ticks = (0...decades).map { Tick(position: Double($0) / Double(decades), label: Self.label(first + $0)) }
    self.mark = mark.map(position).flatMap { (0...1).contains($0) ? $0 : nil }
  }

  /// Bins of shares, in tenths.
  init(shares: [Double]) {
    zeroCount = 0
    mark = nil
    var counts = [Int](repeating: 0, count: shares.isEmpty ? 0 : 10)
    for share in shares where share.isFinite { counts[Int((share * 10).clamped(to: 0...9))] += 1 }
    self.counts = counts
    ticks = [0.0, 0.5, 1].map { Tick(position: $0, label: "\(Int($0 * 100)) %") }
  }

  /// A power of ten as a percentage: `1 %`, `0.01 %`, `1e-07 %` below that.
  private static func label(_ decade: Int) -> String {
    let power = decade + 2
    if power >= 0 { return power <= 4 ? "1\(String(repeating: "0", count: power)) %" : "1e\(power) %" }
    return power >= -3 ? "0.\(String(repeating: "0", count: -power - 1))1 %" : "1e\(power) %"
  }
}

extension Double {
  fileprivate func clamped(to range: ClosedRange<Double>) -> Double {
    Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
  }
}
