import Safetensors
import TestSupport

/// A base with weights of its own for each name, and a tuned model in which some of them differ.
enum TinyPair {
  /// - Parameters:
  ///   - config: The text of config.json.
  ///   - shapes: Tensors in fp32, by name.
  ///   - changes: Whether a tensor differs, by name.
  static func make(
    _ config: String, _ shapes: KeyValuePairs<String, [Int]>, changes: (String) -> Bool
  ) throws -> Pair {
    let scratch = try Scratch()
    let pair = Pair(scratch: scratch, base: try scratch.folder("base"), tuned: try scratch.folder("tuned"))
    for (folder, isTuned) in [(pair.base, false), (pair.tuned, true)] {
      try write(config.utf8, to: folder + "/config.json")
      try writeFile(
        folder + "/model.safetensors",
        shapes.enumerated().map { index, item in
          tensor(item.key, item.value, seed: index + (isTuned && changes(item.key) ? 1000 : 0))
        })
    }
    return pair
  }

  private static func tensor(_ name: String, _ shape: [Int], seed: Int) -> TestTensor {
    var random = SeededGenerator(seed: UInt64(seed))
    let bytes = (0..<shape.reduce(1, *)).flatMap { _ in
      withUnsafeBytes(of: Float.random(in: -1...1, using: &random).bitPattern.littleEndian) { Array($0) }
    }
    return TestTensor(name, .f32, shape, bytes: bytes)
  }
}
