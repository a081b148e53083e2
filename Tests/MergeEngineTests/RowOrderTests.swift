import Adapters
import Checkpoints
import MergePlanning
import Safetensors
import TestSupport
import Testing

/// Bases whose files have a tensor's rows in another order than the model in memory: the merge of such a base is the merge of the
/// runtime tensors, put into that order.
@Suite struct RowOrderTests {
  /// A tensor on disk, and where each of its rows is in the runtime tensors.
  struct Layout: CustomTestStringConvertible, Sendable {
    let name: String
    /// config.json without its braces.
    let config: String
    let disk: String
    let shape: [Int]
    /// The runtime tensors in whole, with their shapes.
    let live: [(name: String, shape: [Int])]
    /// Of each row on disk, which runtime tensor it is in and which row of it.
    let places: [(tensor: Int, row: Int)]

    var testDescription: String { name }
  }

  /// Rows of a stack that are interleaved, as the nibbles of each expert.
  private static func interleaved(experts: Int, rows: Int, chunked: Bool) -> [(tensor: Int, row: Int)] {
    (0..<experts * rows).map { row in
      let (expert, place) = (row / rows, row % rows)
      let (turn, number) = (place % 2, place / 2)
      return chunked ? (turn, expert * rows / 2 + number) : (0, expert * rows + turn * rows / 2 + number)
    }
  }

  /// Queries and keys with the rows of each head interleaved, values as they are.
  private static func rotated(heads: Int, size: Int) -> [(tensor: Int, row: Int)] {
    (0..<3 * heads * size).map { row in
      let (tensor, place) = (row / (heads * size), row % (heads * size))
      let (head, number) = (place / size, place % size)
      return (tensor, tensor == 2 ? place : head * size + number % 2 * (size / 2) + number / 2)
    }
  }

  private static let inkling = #""model_type":"inkling_mm_model""#
  private static let kimi = #""model_type":"kimi_k25","vision_config":{"num_attention_heads":3}"#

  static let layouts = [
    Layout(
      name: "experts' gate and up interleaved", config: inkling, disk: "model.llm.layers.0.mlp.experts.w13_weight",
      shape: [3, 10, 7], live: [("model.language_model.layers.0.mlp.experts.gate_up_proj", [3, 10, 7])],
      places: interleaved(experts: 3, rows: 10, chunked: false)),
    Layout(
      name: "gate and up interleaved", config: inkling, disk: "model.llm.layers.1.mlp.w13_dn.weight", shape: [18, 7],
      live: ["gate", "up"].map { ("model.language_model.layers.1.mlp.\($0)_proj.weight", [9, 7]) },
      places: interleaved(experts: 1, rows: 18, chunked: true)),
    Layout(
      name: "heads for rotation", config: kimi, disk: "vision_tower.encoder.blocks.0.wqkv.weight", shape: [54, 5],
      live: ["q", "k", "v"].map { ("model.vision_tower.layers.0.attn.\($0)_proj.weight", [18, 5]) },
      places: rotated(heads: 3, size: 6)),
  ]

  @Test(arguments: layouts, [MergeOptions.Arithmetic.exact, .peft])
  func mergesLiveRows(_ layout: Layout, _ arithmetic: MergeOptions.Arithmetic) throws {
    var random = SeededGenerator()
    let scratch = try Scratch()
    let width = layout.shape[layout.shape.count - 1]
    func tensor(_ name: String, _ shape: [Int], _ dtype: DType) -> TestTensor {
      let numbers = random.numbers(shape.reduce(1, *))
      return TestTensor(name, dtype, shape, bits: numbers.map { Elements.narrow($0, dtype) })
    }
    let disk = tensor(layout.disk, layout.shape, .bf16)
    let rowSize = width * 2
    var live = layout.live.map { [UInt8](repeating: 0, count: $0.shape.reduce(2, *)) }
    for (row, place) in layout.places.enumerated() {
      live[place.tensor].replaceSubrange(
        place.row * rowSize..<(place.row + 1) * rowSize, with: disk.bytes[row * rowSize..<(row + 1) * rowSize])
    }
    let other = tensor("other.weight", [3, 3], .bf16)
    func base(_ name: String, _ tensors: [TestTensor], config: String) throws -> String {
      let folder = try scratch.folder(name)
      try writeFile(folder + "/model.safetensors", tensors + [other])
      try write(Array("{\(config)}".utf8), to: folder + "/config.json")
      return folder
    }
    let bases = [
      try base("disk", [disk], config: layout.config),
      try base(
        "live", zip(layout.live, live).map { TestTensor($0.name, .bf16, $0.shape, bytes: $1) },
        config: #""model_type":"none""#),
    ]
    var factors: [TestTensor] = []
    var parameters: [String] = []
    for (name, shape) in layout.live {
      let isStack = shape.count == 3
      let rank = 2 * (isStack ? shape[0] : 1)
      let module = String(name.dropLast(isStack ? ".gate_up_proj".count : ".weight".count))
      if isStack { parameters.append(name) }
      factors.append(tensor(module + ".lora_A.weight", [rank, width], .f32))
      factors.append(tensor(module + ".lora_B.weight", [shape[shape.count - 2], rank], .f32))
    }
    let list = parameters.map { "\"\($0)\"" }.joined(separator: ",")
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 2, alpha: "3", factors,
      fields: parameters.isEmpty ? "" : "\"target_parameters\":[\(list)]")
    var options = MergeOptions()
    options.arithmetic = arithmetic
    options.expertLayout = parameters.isEmpty ? nil : .rankMajor
    for (number, path) in bases.enumerated() {
      try TestMerge(base: path, adapters: [(adapter, 1)], output: scratch.file("\(number)"), options: options)
        .run(workers: 1 + number)
    }
    let (merged, expected) = (try loadTensors(scratch.file("0")), try loadTensors(scratch.file("1")))
    let found = try #require(merged[TensorName(layout.disk)])
    var changed = 0
    for (row, place) in layout.places.enumerated() {
      let wanted = try #require(expected[TensorName(layout.live[place.tensor].name)])
      let one = found.data.dropFirst(row * rowSize).prefix(rowSize)
      let two = wanted.data.dropFirst(place.row * rowSize).prefix(rowSize)
      #expect(one.elementsEqual(two), "row \(row), \(random)")
      changed += one.elementsEqual(disk.bytes[row * rowSize..<(row + 1) * rowSize]) ? 0 : 1
    }
    #expect(changed == layout.places.count, "every row is changed, \(random)")
    #expect(found.data.count == layout.places.count * rowSize)
  }
}
