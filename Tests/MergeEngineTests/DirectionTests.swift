import Foundation
import Testing

@testable import MergeEngine

/// Cosines and sines against the system's.
@Suite struct DirectionTests {
  @Test func areThoseOfTheLibrary() {
    var angles: [Double] = [
      0, -0.0, 0x1p-149, 1e-8, 0.5, .pi / 4, .pi / 2, .pi, 3 * .pi / 2, 2 * .pi, 100, 1e6, 3e9, 4.4e15,
    ]
    angles += (0..<2000).map { Double(Float($0) * 0.0173 - 17) }
    for angle in angles + angles.map({ -$0 }) {
      let found = Direction(angle: angle)
      #expect(abs(found.cosine - cos(angle)) <= 0x1p-52, "\(angle)")
      #expect(abs(found.sine - sin(angle)) <= 0x1p-51 * max(abs(sin(angle)), 0x1p-10), "\(angle)")
    }
  }

  @Test func whatIsNoAngleHasNone() {
    for angle in [Double.infinity, -.infinity, .nan, 0x1p60] {
      #expect(Direction(angle: angle).cosine.isNaN && Direction(angle: angle).sine.isNaN)
    }
  }
}
