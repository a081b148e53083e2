/// The random numbers of torch's generator on a CPU: MT19937, and what torch makes of its output.
///
/// Adapters that leave random numbers out of their files name a seed instead. The numbers are those of torch 2.13; the tests
/// compare them with its own.
///
/// Sources: Matsumoto and Nishimura, "Mersenne Twister", 1998; torch 2.13 `at::mt19937`, `uniform_kernel`, `randperm_cpu`.
public struct TorchGenerator: Sendable {
  private static let length = 624
  private static let middle = 397

  private var state: [UInt32]
  /// How many numbers of the state were taken.
  private var taken: Int

  /// The generator behind `torch.Generator().manual_seed(seed)`, of which only the lower half counts.
  public init(seed: Int64) {
    var state = [UInt32](repeating: 0, count: Self.length)
    state[0] = UInt32(truncatingIfNeeded: seed)
    for index in 1..<Self.length {
      let last = state[index - 1]
      state[index] = 1_812_433_253 &* (last ^ (last >> 30)) &+ UInt32(index)
    }
    self.state = state
    taken = Self.length
  }

  /// The next number.
  public mutating func next() -> UInt32 {
    if taken == Self.length { renew() }
    var number = state[taken]
    taken += 1
    number ^= number >> 11
    number ^= (number << 7) & 0x9d2c_5680
    number ^= (number << 15) & 0xefc6_0000
    return number ^ (number >> 18)
  }

  /// Two numbers as one, the first of them above.
  public mutating func next64() -> UInt64 {
    let upper = UInt64(next())
    return upper << 32 | UInt64(next())
  }

  /// Leaves numbers out.
  public mutating func skip(_ count: Int) {
    var left = count
    while left > 0 {
      if taken == Self.length { renew() }
      let part = min(left, Self.length - taken)
      taken += part
      left -= part
    }
  }

  private mutating func renew() {
    for index in 0..<Self.length {
      let bits =
        (state[index] & 0x8000_0000) | (state[index + 1 == Self.length ? 0 : index + 1] & 0x7fff_ffff)
      let other = state[index + Self.middle < Self.length ? index + Self.middle : index + Self.middle - Self.length]
      state[index] = other ^ (bits >> 1) ^ (bits & 1 == 0 ? 0 : 0x9908_b0df)
    }
    taken = 0
  }
}

extension TorchGenerator {
  /// `torch.empty(count).uniform_(lower, upper)` in fp32: 24 bits each.
  public mutating func uniform(_ count: Int, from lower: Float, to upper: Float) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    let width = Double(upper - lower)
    for index in values.indices {
      values[index] = Float(Double(next() & 0xff_ffff) * 0x1p-24 * width + Double(lower))
    }
    return values
  }

  /// The same of `torch.bfloat16`: the numbers in fp32, rounded; those that become the upper bound become the lower.
  public mutating func uniformBF16(_ count: Int, from lower: Float, to upper: Float) -> [Float] {
    var values = uniform(count, from: lower, to: upper)
    let bounds = (lower: lower.roundedToBF16, upper: upper.roundedToBF16)
    for index in values.indices {
      let rounded = values[index].roundedToBF16
      values[index] = rounded >= bounds.upper ? bounds.lower : rounded
    }
    return values
  }

  /// The first numbers of `torch.randperm(n)`, with memory for these alone.
  ///
  /// - Parameters:
  ///   - n: How many numbers are shuffled.
  ///   - count: How many of them are wanted, at most n.
  public mutating func permutation(of n: Int, first count: Int) -> [Int] {
    n < Self.largestShuffle ? shuffled(n, count) : inserted(n, count)
  }

  /// From here on torch's remainders of 32 bits would not be even enough, and it takes 64.
  private static let largestShuffle = Int(UInt32.max / 20)

  /// Each place from the first on is exchanged with one behind it, so that the first are settled first.
  private mutating func shuffled(_ n: Int, _ count: Int) -> [Int] {
    var moved: [Int: Int] = [:]
    var result: [Int] = []
    result.reserveCapacity(count)
    for place in 0..<count {
      // The last has nothing behind it, and takes no number.
      let other = place == n - 1 ? place : place + Int(next() % UInt32(n - place))
      let found = moved[other] ?? other
      moved[other] = moved[place] ?? place
      moved[place] = nil
      result.append(found)
    }
    return result
  }

  /// Each number from 0 on takes a place among those before it, whose number goes to the end: the first places change as long
  /// as numbers come.
  mutating func inserted(_ n: Int, _ count: Int) -> [Int] {
    var result: [Int] = []
    result.reserveCapacity(count)
    for number in 0..<n {
      let place = Int(next64() % UInt64(number + 1))
      if number < count { result.append(place == number ? number : result[place]) }
      if place < count { result[place] = number }
    }
    return result
  }
}

extension Float {
  /// The nearest number of bfloat16, of two the even one.
  public var roundedToBF16: Float {
    guard isFinite else { return self }
    let bits = bitPattern
    return Float(bitPattern: (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
  }
}
