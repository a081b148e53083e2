import Adapters
import Checkpoints
import Foundation
import MergeEngine
import MergePlanning
import ModelNames
import Safetensors
import TestSupport
import Testing

/// Adapters of mlx-lm against the weights that its own `fuse` makes, which mlx-lm 0.32.2 computed in the base's dtype.
@Suite struct MLXAdapterTests {
  private static let folder = fixturesPath() + "/mlx"

  /// The case's base, as its file says it.
  private func base(_ name: String) throws -> String {
    let text = String(decoding: try contents("\(Self.folder)/\(name)/base"), as: UTF8.self)
    return fixturesPath() + "/" + text.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Every tensor that `fuse` changes has its values, and every other one the base's bytes.
  @Test(
    arguments: [
      ("lora", 4e-7), ("lora-some", 4e-7), ("dora", 4e-7), ("head", 4e-7), ("tied", 4e-7), ("tied-dora", 4e-7),
      ("experts", 4e-7), ("experts-old", 4e-7), ("experts-stacked", 4e-7),
      // MLX rounds the delta to BF16 before it adds it.
      ("lora-bf16", 0x1p-7),
    ])
  func isWhatFuseMakes(name: String, tolerance: Float) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let base = try base(name)
    try TestMerge(base: base, adapter: "\(Self.folder)/\(name)/adapter", output: output).run()
    let merged = try SafetensorsFile(path: output + "/model.safetensors")
    let original = try SafetensorsFile(path: base + "/model.safetensors")
    let fused = try SafetensorsFile(path: "\(Self.folder)/\(name)/fused.safetensors")
    #expect(!fused.header.tensors.isEmpty)
    for tensor in original.header.tensors {
      guard fused.tensor(tensor.name) != nil else {
        #expect(try merged.data(tensor.name) == original.data(tensor.name), "\(tensor.name) changed")
        continue
      }
      let (found, wanted) = (try merged.floats(tensor.name), try fused.floats(tensor.name))
      #expect(found.count == wanted.count)
      let largest = wanted.map(abs).max() ?? 0
      let worst = zip(found, wanted).map { abs($0 - $1) }.max() ?? .infinity
      #expect(worst <= tolerance * largest, "\(tensor.name): \(worst) of \(largest)")
      #expect(try merged.data(tensor.name) != original.data(tensor.name), "\(tensor.name) is the base's")
    }
  }

  /// An adapter of the case with another config or other tensors.
  private func changed(
    _ name: String, in scratch: Scratch, config: (String) -> String = { $0 },
    tensors: ([TensorData]) -> [TensorData] = { $0 }
  ) throws -> String {
    let source = "\(Self.folder)/\(name)/adapter"
    let target = scratch.file("adapter")
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
    let text = String(decoding: try contents(source + "/adapter_config.json"), as: UTF8.self)
    try config(text).write(toFile: target + "/adapter_config.json", atomically: true, encoding: .utf8)
    let file = try SafetensorsFile(path: source + "/adapters.safetensors")
    let all = try file.header.tensors.map { try file.data($0.name) }
    try SafetensorsWriter.write(path: target + "/adapters.safetensors", tensors(all))
    return target
  }

  @Test func refusesAWholeFineTune() throws {
    let scratch = try Scratch()
    let path = try changed("lora", in: scratch, config: { $0.replacingOccurrences(of: "\"lora\"", with: "\"full\"") })
    let error = #expect(throws: AdapterError.self) { try Adapter(folder: path) }
    #expect(error?.errorClass == "unsupported")
    #expect(error?.hint == "merge it with mlx_lm.fuse")
  }

  @Test func refusesDoRAWithoutMagnitudes() throws {
    let scratch = try Scratch()
    let path = try changed("lora", in: scratch, config: { $0.replacingOccurrences(of: "\"lora\"", with: "\"dora\"") })
    let error = #expect(throws: AdapterError.self) { try Adapter(folder: path) }
    guard case .missingFactor(let missing)? = error?.problem else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(missing.hasSuffix(".m") && missing.hasPrefix("model.layers.0."))
  }

  @Test func refusesMagnitudesOfLoRA() throws {
    let scratch = try Scratch()
    let path = try changed("dora", in: scratch, config: { $0.replacingOccurrences(of: "\"dora\"", with: "\"lora\"") })
    let error = #expect(throws: AdapterError.self) { try Adapter(folder: path) }
    #expect(error?.problem == .magnitudeNotDeclared)
  }

  @Test func refusesHalfOfAPair() throws {
    let scratch = try Scratch()
    let path = try changed(
      "lora", in: scratch, tensors: { all in all.filter { $0.name.string != "model.layers.0.self_attn.q_proj.lora_b" } }
    )
    let error = #expect(throws: AdapterError.self) { try Adapter(folder: path) }
    #expect(error?.problem == .missingFactor(missing: "model.layers.0.self_attn.q_proj.lora_b"))
  }

  /// Before October 2024 a field of its own asked for DoRA.
  @Test func readsTheOldFieldOfDoRA() throws {
    let scratch = try Scratch()
    let path = try changed(
      "dora", in: scratch,
      config: { $0.replacingOccurrences(of: "\"fine_tune_type\": \"dora\"", with: "\"use_dora\": true") })
    #expect(try Adapter(folder: path).config.lora?.usesDora == true)
  }

  /// The trainer's layout is no reason for a warning.
  @Test func warnsOfNothing() throws {
    #expect(try Adapter(folder: Self.folder + "/dora/adapter").warnings == [])
  }
}
