import Safetensors
import Testing

@testable import Adapters

@Suite struct AdapterKeyTests {
  private let prefix = "base_model.model."

  @Test(arguments: [
    ("m.q.lora_velora_embed", "adapter-key"),
    ("m.q.lora_monteclora_sampler.x", "adapter-key"), ("m.q.lora_monteclora_sampler.std_prior", "adapter-key"),
    ("lora_A.weight", "adapter-key"), (".lora_A.weight", "adapter-key"), ("m..lora_A.weight", "adapter-key"),
    ("m.q.lora_A", "pair"), ("m.q.lora_A.bias", "adapter-key"), ("m.q.lora_A.x.y.weight", "adapter-key"),
    ("m.q.lora_C.weight", "adapter-key"), ("m.q.lora_alpha", "adapter-key"),
    ("m.q.lora_embedding_A.weight", "adapter-key"),
    ("m.q.token_adapter.other", "adapter-key"), ("m.q.base_layer.scale", "adapter-key"), ("weight", "adapter-key"),
    ("m.q.original_module.weight", "adapter-key"), ("base_model.model.base_model.model.m.weight", "adapter-key"),
    ("m.q.base_layer.bias", "pair"), ("m.q.lora_magnitude_vector", "pair"),
  ])
  func otherKeysAreRefused(key: String, errorClass: String) throws {
    let wanted = key.contains("magnitude") ? pair("m.q") : pair("other")
    let error = try refusal("", wanted + [Entry(prefix + key, [2])])
    #expect(error.tensor == prefix + key, "\(error.message)")
    #expect(error.errorClass == errorClass, "\(error.message)")
    #expect(!error.message.contains("yet"))
    #expect(error.file?.hasSuffix("adapter_model.safetensors") == true)
  }

  @Test(arguments: ["", "."])
  func keysWithoutAnythingAreRefused(key: String) throws {
    let error = try refusal("", pair("m") + [Entry(key, [2])])
    #expect(error.errorClass == "adapter-key" && error.tensor == key)
  }

  @Test(arguments: [
    ("m.q.lora_A.weight", "lack the prefix"), ("base_model.model.base_model.model.m.q.lora_A.weight", "twice"),
    ("base_model.model._orig_mod.m.q.lora_A.weight", "_orig_mod."),
    ("_orig_mod.base_model.model.m.q.lora_A.weight", "_orig_mod."),
    ("base_model.model.m._fsdp_wrapped_module.q.lora_A.weight", "_fsdp_wrapped_module."),
    ("module.base_model.model.m.q.lora_A.weight", "\"module.\""), ("module.m.q.lora_A.weight", "lack the prefix"),
    ("m.q.lora_A", "without \".weight\""),
    ("base_model.model.m.q.lora_A.default.weight", "the adapter's name \"default\""),
    ("base_model.model.m.q.lora_A.mine.weight", "the adapter's name \"mine\""),
  ])
  func whatOthersDoToNamesIsUndoneAndSaid(key: String, warning: String) throws {
    let adapter = try adapter("", [Entry(key, [8, 4]), pair("m.q")[1]])
    #expect(adapter.updates.map(\.module) == ["m.q"])
    #expect(adapter.warnings.contains { $0.contains(warning) && $0.contains("1 of 2 keys") && $0.hasSuffix(key) })
  }

  @Test func aPartThatWasWrappedKeepsItsName() throws {
    let tensors = ["A": [8, 4], "B": [6, 8]].map { Entry("part.base_model.model.m.q.lora_\($0).weight", $1) }
    let adapter = try adapter("", tensors)
    #expect(adapter.updates.map(\.module) == ["part.m.q"])
    #expect(adapter.warnings.contains { $0.contains("2 of 2 keys have the prefix") && $0.contains("behind \"part.\"") })
  }

  @Test func theHeadOfTinkerIsTheHead() throws {
    let adapter = try adapter("", factors("model.unembed_tokens", a: [8, 4], b: [6, 8]))
    #expect(adapter.updates.map(\.module) == ["lm_head"])
  }

  @Test(arguments: [
    ("m.lora_embedding_A.mine", "m.lora_embedding_B.mine"), ("m.lora_embedding_A", "m.lora_embedding_B.mine"),
  ])
  func namesBehindParametersAreTakenOut(a: String, b: String) throws {
    let adapter = try adapter("", [entry(a, [8, 10]), entry(b, [4, 8])])
    #expect(adapter.updates.map(\.layout) == [.embedding] && adapter.updates[0].module == "m")
  }

  @Test func twoAdaptersInOneFileAreRefused() throws {
    let tensors = [entry("m.q.lora_A.one.weight", [8, 4]), entry("m.q.lora_B.two.weight", [6, 8])]
    #expect(try refusal("", tensors).problem == .adapterNames(found: "two", other: "one"))
  }

  @Test(arguments: [
    "m.q.lora_A.weight", "base_model.model.m.q.lora_A.default.weight",
    "base_model.model.base_model.model.m.q.lora_A.weight",
    "base_model.model.m._orig_mod.q.lora_A.weight",
  ])
  func twoNamesOfOneTensorAreRefused(key: String) throws {
    let error = try refusal("", pair("m.q") + [Entry(key, [8, 4])])
    #expect(error.errorClass == "adapter-conflict" && error.message.contains("lora_A"))
  }
}
