import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// Which files of a result each part of a merge writes.
@Suite struct AssignmentTests {
  /// The same rule with a loop over all parts for each file.
  private func plain(_ costs: [Int], _ count: Int) -> [[Int]] {
    var (files, sums) = ([[Int]](repeating: [], count: count), [Int](repeating: 0, count: count))
    var left = Array(costs.indices)
    while !left.isEmpty {
      let largest = left.map { costs[$0] }.max() ?? 0
      let file = left.first { costs[$0] == largest } ?? 0
      let part = sums.firstIndex(of: sums.min() ?? 0) ?? 0
      files[part].append(file)
      sums[part] += largest
      left.removeAll { $0 == file }
    }
    return files
  }

  @Test func everyFileIsInOnePart() {
    var random = SeededGenerator()
    for count in 1...100 {
      let costs = (0..<Int.random(in: 0...60, using: &random)).map { _ in Int.random(in: 0...9, using: &random) }
      let assignment = Assignment(costs: costs, parts: count)
      #expect(assignment.files == plain(costs, count), "\(costs) in \(count)")
      #expect(assignment.files.joined().sorted() == Array(costs.indices))
      #expect(assignment.costs == assignment.files.map { $0.reduce(0) { $0 + costs[$1] } })
      // Largest first, and no more parts with something to do than there are files.
      for files in assignment.files { #expect(files == files.sorted { (costs[$1], $0) < (costs[$0], $1) }) }
      #expect(assignment.files.count == count)
      if costs.allSatisfy({ $0 > 0 }) {
        #expect(assignment.files.count { !$0.isEmpty } == min(count, costs.count))
      }
    }
  }

  /// As computed once: another order would give two processes of one array the same file, or a file to none.
  @Test func theOrderIsFixed() {
    #expect(Assignment(costs: [5, 3, 3, 2, 2, 1], parts: 2).files == [[0, 3, 5], [1, 2, 4]])
    #expect(Assignment(costs: [1, 1, 1, 1], parts: 3).files == [[0, 3], [1], [2]])
    #expect(Assignment(costs: [0, 0], parts: 2).files == [[0, 1], []])
    #expect(Assignment(costs: [], parts: 3).files == [[], [], []])
    #expect(Assignment(costs: [7], parts: 1).files == [[0]])
    #expect(Assignment(costs: [2, 9], parts: 4).files == [[1], [0], [], []])
  }

  /// A part is above the mean by less than one file.
  @Test func noPartIsFarAboveTheMean() {
    var random = SeededGenerator()
    for _ in 0..<200 {
      let costs = (0..<Int.random(in: 1...200, using: &random)).map { _ in Int.random(in: 1...1000, using: &random) }
      let count = Int.random(in: 1...32, using: &random)
      let assignment = Assignment(costs: costs, parts: count)
      let best = max(Double(costs.reduce(0, +)) / Double(count), Double(costs.max() ?? 0))
      #expect(Double(assignment.costs.max() ?? 0) <= best + Double(costs.max() ?? 0), "\(costs) in \(count)")
    }
    #expect(Assignment(costs: [3, 3, 3, 3], parts: 2).imbalance == 1)
    #expect(Assignment(costs: [4, 2], parts: 2).imbalance == 4.0 / 3)
    #expect(Assignment(costs: [], parts: 2).imbalance == 1)
  }

  /// An array may have 100,000 tasks.
  @Test func manyPartsTakeNoTime() {
    let costs = (0..<10_000).map { 1_000_000_000 + $0 * 7919 % 1_000_003 }
    let time = ContinuousClock().measure {
      let assignment = Assignment(costs: costs, parts: 100_000)
      #expect(assignment.files.prefix(10_000).allSatisfy { $0.count == 1 })
    }
    #expect(time < .seconds(5))
  }

  /// Tensors that are computed count twice; nothing else of a plan matters.
  @Test func costsAreBytes() throws {
    func plan(targets: [String], prefix: String = "") throws -> MergePlan {
      let scratch = try Scratch()
      let base = try scratch.folder("base")
      let shards = (0..<3).map { number in
        (
          name: "\(prefix)model-\(number).safetensors",
          tensors: [
            TestTensor("layers.\(number).a.weight", .f32, [4, 8]),
            TestTensor("layers.\(number).b.weight", .f32, [2, 8]),
          ]
        )
      }
      for shard in shards { try writeFile(base + "/" + shard.name, shard.tensors) }
      try writeIndex(base, shards)
      let factors = targets.flatMap { loraLayer($0, rows: $0.hasSuffix("a") ? 4 : 2, columns: 8) }
      return try makePlan(base: base, factors, in: scratch)
    }
    let one = try plan(targets: ["layers.1.a", "layers.2.b"])
    let (a, b) = (4 * 8 * 4, 2 * 8 * 4)
    #expect(one.fileCosts == [a + b, 2 * a + b, a + 2 * b])
    #expect(one.assignment(parts: 2).files == [[1], [2, 0]])
    // Another place and other names.
    let moved = try plan(targets: ["layers.1.a", "layers.2.b"], prefix: "other-")
    #expect(moved.assignment(parts: 2) == one.assignment(parts: 2))
    #expect(try plan(targets: ["layers.0.a"]).fileCosts == [2 * a + b, a + b, a + b])
  }
}
