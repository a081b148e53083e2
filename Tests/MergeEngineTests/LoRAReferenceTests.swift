import MergePlanning
import Safetensors
import TestSupport
import Testing

/// The default arithmetic, for every kind of LoRA, against the exact result.
@Suite struct LoRAReferenceTests {
  private static func measure(_ testCase: LoRACase, _ distance: inout Distance) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try testCase.merge(to: output).run()
    let expected = try DoubleMerge(
      base: testCase.base, adapters: testCase.adapters.map { ($0, 1) }, options: testCase.options,
      layers: testCase.layers)
    try distance.add(output, expected)
  }

  @Test(arguments: LoRACase.merging) func isWithinOneULPOfTheExactResult(_ testCase: LoRACase) throws {
    var distance = Distance()
    try Self.measure(testCase, &distance)
    #expect(distance.beyond == [])
    #expect(distance.count > 0)
  }

  /// One rounding in fp32 before the last one makes a tie of what is not, about once in 2^16 or 2^13 elements.
  @Test func nearlyEveryElementIsRoundedCorrectly() throws {
    var distance = Distance()
    for testCase in LoRACase.merging where !testCase.name.hasSuffix("f32") {
      try Self.measure(testCase, &distance)
    }
    #expect(distance.count > 120_000)
    #expect(Double(distance.otherwise) <= 1e-4 * Double(distance.count))
    #expect(distance.worstRounded <= 1)
  }
}
