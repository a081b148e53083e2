import Safetensors
import TestSupport
import Testing

@testable import Adapters

/// What of an adapter's file is refused, each with one message.
@Suite struct FileRefusalTests {
  @Test func unknownKeysAreNamedAndCounted() throws {
    let strange = ["w", "x", "y", "z"].map { zeros("a.\($0)", [1]) }
    let error = try fileRefusal(kohyaPair("a") + strange)
    #expect(error.errorClass == "adapter-key" && error.tensor == "a.w")
    #expect(error.message.contains("one of 4: also a.x, a.y;") && error.hint?.contains("model") == false)
    #expect(
      try fileRefusal([zeros("conv.weight", [2, 2]), zeros("b", [1])]).hint?.contains("is this a model") == true)
    // A scale beside nothing is a model's tensor.
    #expect(try fileRefusal([zeros("norm.scale", [4])]).errorClass == "adapter-key")
    #expect(try fileRefusal(kohyaPair("a") + [number("a.scale", 1)]).errorClass == "unsupported")
  }

  @Test func halvesAreRefused() throws {
    #expect(try fileRefusal(Array(kohyaPair("a").prefix(1))).message.contains("a.lora_up.weight"))
    #expect(try fileRefusal(Array(kohyaPair("a").suffix(1))).message.contains("a.lora_down.weight"))
    #expect(try fileRefusal([zeros("a.lora_A.weight", [2, 4])]).message.contains("a.lora_B.weight"))
    #expect(
      try fileRefusal([zeros("x.processor.to_q_lora.down.weight", [2, 4])]).message.contains(
        "x.processor.to_q_lora.up.weight"))
    #expect(try fileRefusal([zeros("a.hada_w1_a", [6, 2])]).errorClass == "pair")
    #expect(try fileRefusal([zeros("a.lokr_w1", [2, 2])]).errorClass == "pair")
    #expect(try fileRefusal([number("a.alpha", 1)]).errorClass == "pair")
    #expect(try fileRefusal([zeros("a.dora_scale", [6, 1])]).errorClass == "pair")
    #expect(try fileRefusal([zeros("a.lora_B.bias", [6])]).errorClass == "pair")
    #expect(try fileRefusal([number("a.on_input", 0)]).errorClass == "pair")
  }

  @Test func alphasThatMeanNothingAreRefused() throws {
    for value: Float in [0, -0, .nan, .infinity] {
      let error = try fileRefusal(kohyaPair("a") + [number("a.alpha", value)])
      #expect(error.errorClass == "unsupported" && error.tensor == "a.alpha")
    }
    #expect(try fileRefusal(kohyaPair("a") + [zeros("a.alpha", [2])]).errorClass == "shape")
    #expect(try fileRefusal(kohyaPair("a") + [zeros("a.alpha", [1], .f8E8M0)]).errorClass == "dtype")
  }

  @Test func shapesThatDoNotFitAreRefused() throws {
    func pair(_ down: [Int], _ up: [Int], mid: [Int]? = nil) -> [TestTensor] {
      [zeros("a.lora_down.weight", down), zeros("a.lora_up.weight", up)]
        + (mid.map { [zeros("a.lora_mid.weight", $0)] } ?? [])
    }
    for tensors in [
      pair([2, 4], [6, 3]), pair([4], [6, 4]), pair([2, 4], [6, 2, 3]), pair([0, 4], [6, 0]),
      pair([2, 4, 1, 1], [6, 2, 1, 1], mid: [2, 3, 3, 3]), pair([2, 4, 1, 1], [6, 2, 1, 1], mid: [3, 2, 3, 3]),
      pair([2, 4, 3, 3], [6, 2, 1, 1], mid: [2, 2, 3, 3]), pair([2, 4], [6, 2]) + [zeros("a.dora_scale", [5, 1])],
      pair([2, 4], [6, 2]) + [zeros("a.dora_scale", [1, 3])], [zeros("a.diff", [])], [zeros("a.diff_b", [2, 2])],
      [zeros("a.weight", [2, 3]), number("a.on_input", 0)],
    ] { #expect(try fileRefusal(tensors).errorClass == "shape", "\(tensors.map(\.shape))") }
  }

  @Test func whatExcludesEachOtherIsRefused() throws {
    let both = kohyaPair("a") + [zeros("a.diff", [6, 4])]
    #expect(try fileRefusal(both).errorClass == "adapter-conflict")
    #expect(try fileRefusal(kohyaPair("a") + [zeros("a.lora_A.weight", [2, 4])]).errorClass == "adapter-conflict")
    #expect(
      try fileRefusal([zeros("a.diff", [6, 4]), zeros("a.dora_scale", [6, 1])]).errorClass == "adapter-conflict")
    #expect(
      try fileRefusal(kohyaPair("a") + [zeros("a.diff_b", [6]), zeros("a.lora_B.bias", [6])]).errorClass
        == "adapter-conflict")
  }

  @Test func whatIsNotSupportedIsNamed() throws {
    #expect(try fileRefusal(kohyaPair("a") + [zeros("a.reshape_weight", [2], .i64)]).message.contains("padded"))
    let other = try fileRefusal([zeros("a.diff", [6, 4]), zeros("a.reshape_weight", [2], .i64)])
    #expect(other.tensor == "a.reshape_weight" && other.message.contains("not of full difference"))
    let alone = try fileRefusal(kohyaPair("b") + [zeros("a.reshape_weight", [2], .i64)])
    #expect(alone.tensor == "a.reshape_weight")
    #expect(
      try fileRefusal(kohyaPair("a") + [zeros("lllite_unet_x.up.weight", [2])]).message.contains("ControlNet-LLLite"))
    #expect(try fileRefusal([zeros("a.weight", [2]), number("a.on_input", 2)]).errorClass == "unsupported")
    #expect(try fileRefusal([zeros("_aux.x", [1])]).errorClass == "no-layers")
  }

  private func glora(_ a1: [Int], _ a2: [Int], _ b1: [Int], _ b2: [Int]) -> [TestTensor] {
    [zeros("a.a1.weight", a1), zeros("a.a2.weight", a2), zeros("a.b1.weight", b1), zeros("a.b2.weight", b2)]
  }

  @Test func formsOfGLoRA() throws {
    #expect(try fileAdapter(glora([4, 2], [2, 4], [6, 2], [2, 4])).updates[0].outFeatures == 6)
    #expect(try fileAdapter(glora([2, 4], [4, 2], [2, 4], [6, 2])).updates[0].outFeatures == 6)
    #expect(try fileRefusal(glora([4, 4], [4, 4], [4, 4], [4, 4])).errorClass == "unsupported")
    #expect(try fileRefusal(glora([4, 2], [2, 4], [6, 2], [2, 5])).errorClass == "shape")
    #expect(try fileAdapter(glora([4, 2], [2, 4], [6, 2], [2, 4, 3, 3])).updates[0].inFeatures == 36)
    #expect(try fileRefusal(glora([4, 2, 3], [2, 4], [6, 2], [2, 4])).errorClass == "shape")
    let alpha = number("a.alpha", 1)
    let stabilized = ["ss_network_args": #"{"algo": "glora", "rs_lora": "True"}"#]
    #expect(
      try fileRefusal(glora([4, 2], [2, 4], [6, 2], [2, 4]) + [alpha], metadata: stabilized).message.contains("rs_lora")
    )
    let dynamic = ["ss_network_args": #"{"algo": "dylora", "rs_lora": "True"}"#]
    #expect(try fileRefusal(kohyaPair("a") + [alpha], metadata: dynamic).message.contains("DyLoRA"))
    #expect(
      try fileAdapter(kohyaPair("a") + [alpha], metadata: ["ss_network_args": #"{"algo": "locon", "rs_lora": "True"}"#])
        .isFile)
  }

  @Test func blocksOfOFTThatDoNotFitAreRefused() throws {
    func blocks(_ shape: [Int], _ more: [TestTensor] = []) -> [TestTensor] { [zeros("a.oft_blocks", shape)] + more }
    #expect(try fileAdapter(blocks([2, 3, 3])).updates[0].mixesResult)
    for shape in [[2, 3, 4], [3, 3], [2, 3, 2, 2], [1, 2, 3, 3], [33, 2, 2, 2], [2, 4, 2, 2], [1, 2, 2, 2]] {
      #expect(try fileRefusal(blocks(shape)).errorClass == "shape", "\(shape)")
    }
    #expect(try fileRefusal(blocks([2, 3, 3], [zeros("a.rescale", [5, 1])])).errorClass == "shape")
    #expect(try fileRefusal([zeros("a.rescale", [6, 1])]).errorClass == "pair")
    #expect(try fileRefusal([zeros("oft_unet_a.oft_blocks", [2, 3, 3])]).message.contains("oft_unet_a.alpha"))
    #expect(try fileRefusal(blocks([2, 3, 3], [zeros("a.dora_scale", [6, 1])])).errorClass == "adapter-conflict")
  }

  @Test func otherFilesAreRefusedByTheirNames() throws {
    let scratch = try Scratch()
    for name in ["lora.pt", "lora.CKPT", "lora.bin"] {
      try write([1, 2, 3], to: scratch.file(name))
      let error = try #require(throws: AdapterError.self) { _ = try Adapter(path: scratch.file(name)) }
      #expect(error.errorClass == "pickle" && error.hint?.contains("safetensors") == true)
    }
    try writeFile(scratch.file("adapter_model.safetensors"), kohyaPair("a"))
    #expect(try Adapter(path: scratch.file("adapter_model.safetensors")).isFile)
    try write(Array("{}".utf8), to: scratch.file("adapter_config.json"))
    let error = try #require(throws: AdapterError.self) {
      _ = try Adapter(file: scratch.file("adapter_model.safetensors"))
    }
    #expect(error.hint == "pass the folder")
    #expect(throws: AdapterError.self) { _ = try Adapter(path: scratch.file("nothing")) }
  }
}
