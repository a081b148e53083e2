import AdapterWriting
import Checkpoints
import Factorization
import Foundation
import LowRank
import Platform
import Safetensors
import Staging
import TestSupport

/// An image model and a tuned one in which every parameter differs, each as a file in native names or a folder of diffusers.
struct ImagePair {
  /// How a model is stored.
  enum Layout: CaseIterable { case file, folder }

  static let filePrefix = "model.diffusion_model."

  let scratch: Scratch
  let names: ImageNames

  /// Numbers below 1 in magnitude; the tuned model's differ by less than an eighth.
  init(_ names: ImageNames) throws {
    self.names = names
    scratch = try Scratch()
    var random = SeededGenerator(seed: 3)
    let base = names.native.map { ($0.name, $0.shape, random.numbers($0.shape.reduce(1, *))) }
    let tuned = base.map { name, shape, numbers in
      (name, shape, zip(numbers, random.numbers(numbers.count)).map { $0 + $1 / 8 })
    }
    try write(base.map { TestTensor($0, $1, numbers: $2) }, as: "base")
    try write(tuned.map { TestTensor($0, $1, numbers: $2) }, as: "tuned")
  }

  private var part: String { names.isUNet ? "unet" : "transformer" }

  private func write(_ native: [TestTensor], as name: String) throws {
    try writeFile(
      scratch.file("\(name).safetensors"),
      native.map { TestTensor(Self.filePrefix + $0.name, $0.dtype, $0.shape, bytes: $0.bytes) })
    let converted = names.converted(Dictionary(uniqueKeysWithValues: native.map { ($0.name, $0) }))
    try scratch.write(
      #"{"_class_name": "Pipeline", "\#(part)": ["diffusers", "Model"]}"#, to: "\(name)/model_index.json")
    try scratch.write(#"{"_class_name": "Model"}"#, to: "\(name)/\(part)/config.json")
    try writeFile(scratch.file("\(name)/\(part)/diffusion_pytorch_model.safetensors"), converted)
  }

  /// Writes one of the models again with another tensor; returns its path.
  func adding(_ tensor: TestTensor, to name: String, as other: String) throws -> String {
    let path = scratch.file("\(other).safetensors")
    try writeFile(path, readTensors(self.path(name, .file)) + [tensor])
    return path
  }

  func path(_ name: String, _ layout: Layout) -> String {
    layout == .file ? scratch.file("\(name).safetensors") : scratch.file(name)
  }

  /// How far the merge of an adapter of full rank is from the tuned model.
  func distance(base: Layout, tuned: Layout) throws -> Float {
    let name = "\(base)-\(tuned)"
    let adapter = try Self.extract(
      path("base", base), path("tuned", tuned), to: scratch.file("\(name)-lora.safetensors"))
    try Pair.merge(path("base", base), adapter, to: path(name, base))
    return try Self.distance(path(name, base), path("tuned", base))
  }

  /// Extracts an adapter; returns its path.
  @discardableResult
  static func extract(
    _ base: String, _ tuned: String, to output: String, _ rule: RankRule = RankRule(.count(10_000)),
    change: (inout ExtractionOptions) -> Void = { _ in }
  ) throws -> String {
    let models = [try Checkpoint(path: base), try Checkpoint(path: tuned)]
    var options = ExtractionOptions(rule: rule)
    change(&options)
    let plan = try ImageExtractionPlan(base: models[0], tuned: models[1], options)
    let destination = try AdapterDestination(output, isFolder: false, inputs: [base, tuned])
    let identity = try MergeIdentity(command: "extract", version: "1", options: [], models: models)
    try AdapterWriter(plan.units, workers: 2, interruption: .never).run(to: destination, as: identity) {
      try plan.document($0)
    }
    return output
  }

  /// The numbers of a file or of all files of a folder.
  private static func values(_ path: String) throws -> [String: [Float]] {
    let isFile = path.hasSuffix(".safetensors")
    let files = try isFile ? [""] : FileManager.default.subpathsOfDirectory(atPath: path)
    var values: [String: [Float]] = [:]
    for name in files where isFile || name.hasSuffix(".safetensors") {
      let file = try SafetensorsFile(path: isFile ? path : path + "/" + name)
      for tensor in file.header.tensors where [.f32, .bf16, .f16].contains(tensor.dtype) {
        values["\(name) \(tensor.name.string)"] = try file.floats(tensor.name)
      }
    }
    return values
  }

  /// The largest difference of two models, in units of the largest number of its tensor.
  static func distance(_ one: String, _ other: String) throws -> Float {
    let (one, other) = (try values(one), try values(other))
    guard Set(one.keys) == Set(other.keys) else { return .infinity }
    var largest: Float = 0
    for (name, values) in other {
      let size = values.reduce(0) { max($0, $1.magnitude) }
      guard let found = one[name], found.count == values.count, size > 0 else { continue }
      for (index, value) in values.enumerated() { largest = max(largest, abs(found[index] - value) / size) }
    }
    return largest
  }
}

extension TestTensor {
  /// A tensor of numbers in F32.
  init(_ name: String, _ shape: [Int], numbers: [Float]) {
    let bytes = numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number.bitPattern >> (8 * $0)) } }
    self.init(name, .f32, shape, bytes: bytes)
  }
}

extension SeededGenerator {
  /// Numbers between -1 and 1.
  fileprivate mutating func numbers(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float(Int32(truncatingIfNeeded: next())) / 0x1p31 }
  }
}
