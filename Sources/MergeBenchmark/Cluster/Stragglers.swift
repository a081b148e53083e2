import ArgumentParser

/// Nodes that are slower than the others, as typed: `0.05,2` is 5 % of the nodes at half the speed.
struct Stragglers: ExpressibleByArgument, Equatable {
  /// How many of the nodes are slow, from 0 to 1: the probability of each.
  let share: Double
  /// How many times longer a slow node takes for everything, at least 1.
  let factor: Double

  static let none = Stragglers(share: 0, factor: 1)

  init(share: Double, factor: Double) { (self.share, self.factor) = (share, factor) }

  /// Nil for anything but a share and a factor.
  init?(argument: String) {
    let words = argument.split(separator: ",", omittingEmptySubsequences: false)
    guard words.count == 2, let share = Double(words[0]), let factor = Double(words[1]), (0...1).contains(share),
      factor >= 1, factor.isFinite
    else { return nil }
    self.init(share: share, factor: factor)
  }
}
