#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Color steps between the smallest and the largest of some numbers, equal on a logarithmic scale.
struct ColorScale: Equatable {
  static let stepCount = 7

  /// The lower bounds of the steps, ascending; empty if there is no positive number.
  let edges: [Double]

  init(_ numbers: [Double]) {
    let positive = numbers.filter { $0 > 0 && $0.isFinite }
    guard let least = positive.min(), let largest = positive.max() else {
      edges = []
      return
    }
    guard largest > least * 1.05 else {
      edges = [least]
      return
    }
    let step = (log(largest) - log(least)) / Double(Self.stepCount)
    edges = [least] + (1..<Self.stepCount).map { exp(log(least) + Double($0) * step) }
  }

  /// The step of a positive number; nil for others.
  func step(_ number: Double) -> Int? {
    guard number > 0, number.isFinite, !edges.isEmpty else { return nil }
    if edges.count == 1 { return Self.stepCount / 2 }
    return (edges.lastIndex { $0 <= number } ?? 0)
  }
}
