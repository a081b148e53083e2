import ArgumentParser

/// Numbers of nodes, as typed: `1,2,4`.
struct NodeCounts: ExpressibleByArgument, Equatable {
  let counts: [Int]

  /// A model of more nodes says nothing: the events of each are simulated one by one.
  private static let largest = 4096

  /// The powers of two up to 256.
  static let standard = NodeCounts(counts: (0...8).map { 1 << $0 })

  private init(counts: [Int]) { self.counts = counts }

  /// Nil for anything but numbers from 1 to 4096 between commas.
  init?(argument: String) {
    let words = argument.split(separator: ",", omittingEmptySubsequences: false)
    counts = words.compactMap { Int($0) }
    guard counts.count == words.count, counts.allSatisfy({ (1...Self.largest).contains($0) }) else { return nil }
  }
}
