/// Repeated measurements of one thing.
struct Distribution: Equatable {
  let values: [Double]
  let median: Double
  let smallest: Double
  let largest: Double

  /// - Parameter values: At least one.
  init(_ values: [Double]) {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    self.values = values
    median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    smallest = sorted[0]
    largest = sorted[sorted.count - 1]
  }

  /// The quotients of measurements that were taken one after the other.
  static func ratios(_ one: Distribution, _ other: Distribution) -> Distribution {
    Distribution(zip(one.values, other.values).map { $0 / $1 })
  }
}
