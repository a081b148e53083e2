import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

@testable import Adapters

/// adapter_config.json with every field of PEFT, changed as JSON; as for headers, see `MutationTests` of SafetensorsTests.
@Suite struct ConfigMutationTests {
  @Test func mutatedConfigsAreRefusedOrInRange() throws {
    var generator = SeededGenerator()
    var fields = AdapterConfigTests.peftFields
    for (name, text) in [
      ("rank_pattern", #"{"q_proj":4,"^m\\.(k|v)$":2}"#), ("alpha_pattern", #"{"q_proj":4,"v.*":0.5}"#),
      ("layer_replication", "[[0,2],[1,3]]"), ("trainable_token_indices", #"{"e":[1,2]}"#),
      ("modules_to_save", #"["lm_head"]"#), ("target_parameters", #"["m.w"]"#),
    ] {
      fields.removeAll { $0.0 == name }
      fields.append((name, try JSONParser.parse(Array(text.utf8).span)))
    }
    let sketch = JSONSketch(.object(fields.map { JSONMember(key: $0.0, value: $0.1) }))
    var accepted = 0
    let count = 1_500
    for _ in 0..<count {
      let bytes = sketch.mutatedBytes(using: &generator)
      guard let json = try? JSONParser.parse(bytes.span) else { continue }
      do throws(AdapterError) {
        let config = try AdapterConfig(json, path: "f")
        accepted += 1
        let ranks = config.lora?.ranks
        let isSound =
          config.lora?.scaling(rank: ranks?.rank ?? 0, alpha: ranks?.alpha ?? .nan).isFinite ?? true
          && ranks?.rankPattern.values.allSatisfy { $0 >= 1 } ?? true
          && ranks?.alphaPattern.values.allSatisfy(\.isFinite) ?? true
          && (config.layerReplication ?? []).allSatisfy { !$0.isEmpty && $0.lowerBound >= 0 }
        if !isSound { Issue.record("\(generator): \(String(decoding: bytes, as: UTF8.self))") }
      } catch {
        guard ["adapter-config", "adapter-pattern", "unsupported", "unknown-field"].contains(error.errorClass),
          error.category == .refusedInput
        else {
          Issue.record("\(generator): \(error.errorClass) \(error): \(String(decoding: bytes, as: UTF8.self))")
          return
        }
      }
    }
    #expect(accepted > count / 200 && accepted < count * 4 / 5, "\(generator): \(accepted) of \(count)")
  }

  /// Keys put together from the parts of real ones: parsed or refused, never misread.
  @Test func mutatedKeysAreRefusedOrReadBack() {
    var generator = SeededGenerator()
    let parts = [
      "base_model", "model", "layers", "0", "q_proj", "base_layer", "lora_A", "lora_B", "weight", "bias", "default", "",
      "lora_embedding_A", "lora_magnitude_vector", "lora_diag", "token_adapter", "trainable_tokens_delta", "module",
      "modules_to_save", "original_module", "_orig_mod", "lora_x", "\u{e9}", "e\u{301}",
    ]
    for _ in 0..<50_000 {
      let segments = (0..<Int.random(in: 1...8, using: &generator)).map { _ in
        parts.randomElement(using: &generator) ?? ""
      }
      let name = segments.joined(separator: ".")
      do throws(AdapterError.Problem) {
        let key = try AdapterKey(.init(name))
        guard case .factor = key.role else { continue }
        let again = try AdapterKey(.init(key.name(of: key.role)))
        #expect(again.role == key.role && again.path == key.path, "\(generator): \(name)")
      } catch { continue }
    }
  }
}
