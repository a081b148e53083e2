/// Cosine and sine of every whole number of equal parts of the circle, the same on every machine.
struct Circle {
  private(set) var cosines: [Double]
  private(set) var sines: [Double]

  init(parts: Int) {
    cosines = [Double](repeating: 0, count: parts)
    sines = cosines
    for part in 0..<parts {
      // Of the eighths of the circle every second is a mirror of the one before: what is left is an angle up to pi / 4.
      let (eighth, rest) = (8 * part).quotientAndRemainder(dividingBy: parts)
      let angle = Double(eighth % 2 == 0 ? rest : parts - rest) / Double(parts) * (Double.pi / 4)
      let (cosine, sine) = (Self.cosine(angle), Self.sine(angle))
      switch eighth {
      case 0: (cosines[part], sines[part]) = (cosine, sine)
      case 1: (cosines[part], sines[part]) = (sine, cosine)
      case 2: (cosines[part], sines[part]) = (-sine, cosine)
      case 3: (cosines[part], sines[part]) = (-cosine, sine)
      case 4: (cosines[part], sines[part]) = (-cosine, -sine)
      case 5: (cosines[part], sines[part]) = (-sine, -cosine)
      case 6: (cosines[part], sines[part]) = (sine, -cosine)
      default: (cosines[part], sines[part]) = (cosine, -sine)
      }
    }
  }

  /// Their series, from the smallest term on: below pi / 4 nothing is left of further ones.
  private static func cosine(_ angle: Double) -> Double {
    var sum = 1.0
    for power in stride(from: 18, through: 2, by: -2) {
      sum = 1 - angle * angle / Double(power * (power - 1)) * sum
    }
    return sum
  }

  private static func sine(_ angle: Double) -> Double {
    var sum = 1.0
    for power in stride(from: 19, through: 3, by: -2) {
      sum = 1 - angle * angle / Double(power * (power - 1)) * sum
    }
    return angle * sum
  }
}
