import JSONText
import Platform
import TestSupport
import Testing

@testable import Checkpoints

/// Indexes that were valid and are changed as JSON; as for headers, see `MutationTests` of SafetensorsTests.
@Suite struct IndexMutationTests {
  @Test func mutatedIndexesAreRefusedOrStayInTheirFolder() throws {
    var generator = SeededGenerator()
    let text = #"""
      {"metadata":{"total_size":3,"x":[1,{"y":null}]},
       "weight_map":{"a":"one.safetensors","b":"sub/two.safetensors","c":"one.safetensors"}}
      """#
    let sketch = JSONSketch(try JSONParser.parse(Array(text.utf8).span))
    var accepted = 0
    let count = 20_000
    for _ in 0..<count {
      let bytes = sketch.mutatedBytes(using: &generator)
      do throws(CheckpointError) {
        let index = try CheckpointIndex(bytes.span, path: "f")
        accepted += 1
        let isSound =
          !index.weightMap.isEmpty && index.weightMap.allSatisfy { index.shardNames.indices.contains($0.shard) }
          && index.shardNames.allSatisfy { name in
            let components = name.split(separator: "/", omittingEmptySubsequences: false)
            return name.hasSuffix(".safetensors") && !components.contains { ["", ".", ".."].contains($0) }
          }
        if !isSound { Issue.record("\(generator): \(String(decoding: bytes, as: UTF8.self))") }
      } catch {
        guard ["json", "duplicate-key", "schema", "shard-name"].contains(error.errorClass),
          error.category == .refusedInput
        else {
          Issue.record("\(generator): \(error): \(String(decoding: bytes, as: UTF8.self))")
          return
        }
      }
    }
    #expect(accepted > count / 200 && accepted < count * 4 / 5, "\(generator): \(accepted) of \(count)")
  }
}
