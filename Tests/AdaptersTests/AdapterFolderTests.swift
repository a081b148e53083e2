import Foundation
import Platform
import Safetensors
import TestSupport
import Testing

@testable import Adapters

@Suite struct AdapterFolderTests {
  private func refusal(_ path: String) throws -> AdapterError {
    try #require(throws: AdapterError.self) { _ = try Adapter(folder: path) }
  }

  @Test func pathsAreKept() throws {
    let scratch = try Scratch()
    try scratch.write(#"{"peft_type": "LORA"}"#, to: "adapter_config.json")
    try scratch.write(pair("q"))
    let adapter = try Adapter(folder: scratch.path + "/")
    #expect(adapter.path == scratch.path + "/")
    #expect(adapter.weightsPath == scratch.path + "/adapter_model.safetensors")
    #expect(adapter.configPath == scratch.path + "/adapter_config.json")
    #expect(adapter.header.tensors.count == 2)
  }

  @Test func aMissingFolderIsASystemFailure() throws {
    let error = try refusal("/nowhere/at/all")
    #expect(error.category == .inputOutput && error.errorClass == "not-found")
    #expect(error.description == "/nowhere/at/all: no such file or folder")
  }

  @Test func aFileIsNotAnAdapter() throws {
    let scratch = try Scratch()
    try scratch.write(pair("q"))
    let error = try refusal(scratch.path + "/adapter_model.safetensors")
    #expect(error.errorClass == "not-found" && error.message.contains("folder"))
    #expect(error.hint?.contains("adapter_config.json") == true)
  }

  @Test func missingFilesAreNamed() throws {
    let scratch = try Scratch()
    #expect(try refusal(scratch.path).message.hasPrefix("no adapter_config.json in this folder,"))
    try scratch.write("{}", to: "adapter_config.json")
    #expect(try refusal(scratch.path).message == "no adapter_model.safetensors in this folder")
  }

  @Test func theOnlyAdapterInsideIsUsed() throws {
    let scratch = try Scratch()
    try scratch.write(#"{"peft_type": "LORA"}"#, to: "mine/adapter_config.json")
    try scratch.write("{}", to: "other/config.json")
    try scratch.write(pair("q"), to: "mine/adapter_model.safetensors")
    let adapter = try Adapter(folder: scratch.path)
    #expect(adapter.path == scratch.path && adapter.configPath == scratch.path + "/mine/adapter_config.json")
    #expect(adapter.weightsPath == scratch.path + "/mine/adapter_model.safetensors")
    #expect(
      adapter.warnings == [
        #"\#(scratch.path): no adapter_config.json in this folder; the only adapter in it, "mine", is used"#
      ])
  }

  @Test func severalAdaptersInsideAreListedInNaturalOrder() throws {
    let scratch = try Scratch()
    for name in ["checkpoint-200", "checkpoint-1000", "checkpoint-30", "mine"] {
      try scratch.write("{}", to: "\(name)/adapter_config.json")
    }
    let error = try refusal(scratch.path)
    #expect(error.problem == .severalAdapters(["mine", "checkpoint-30", "checkpoint-200", "checkpoint-1000"]))
    #expect(error.hint == "pass one of them")
  }

  @Test func aCheckpointIsNotTakenSilently() throws {
    let scratch = try Scratch()
    try scratch.write("{}", to: "checkpoint-500/adapter_config.json")
    let error = try refusal(scratch.path)
    #expect(error.message == #"no adapter_config.json in this folder, but adapters in its subfolders "checkpoint-500""#)
  }

  @Test func theOnlyWeightsInsideAreUsed() throws {
    let scratch = try Scratch()
    try scratch.write(#"{"peft_type": "LORA", "r": 8, "lora_alpha": 4}"#, to: "adapter_config.json")
    try scratch.write("", to: "checkpoint-5/trainer_state.json")
    try scratch.write(pair("q"), to: "checkpoint-5/adapter_model.safetensors")
    let outer = try Adapter(folder: scratch.path)
    #expect(outer.configPath == scratch.path + "/adapter_config.json" && outer.updates[0].scaling == 0.5)
    #expect(outer.warnings.contains { $0.contains("\"checkpoint-5\", the only one in it, is used") })
    // The config beside the weights is theirs.
    try scratch.write(#"{"peft_type": "LORA", "r": 8, "lora_alpha": 16}"#, to: "checkpoint-5/adapter_config.json")
    #expect(try Adapter(folder: scratch.path).updates[0].scaling == 2)
    try scratch.write("", to: "checkpoint-6/trainer_state.json")
    try scratch.write(pair("q"), to: "checkpoint-6/adapter_model.safetensors")
    #expect(try refusal(scratch.path).problem == .severalWeights(["checkpoint-5", "checkpoint-6"]))
  }

  @Test func trainersFilesNeedTheirScaling() throws {
    let scratch = try Scratch()
    try scratch.write(pair("q"), to: "lora.safetensors")
    #expect(try refusal(scratch.path).errorClass == "adapter-config")
    try scratch.write(#"{"dim": 4, "lora": {"rank": 8}}"#, to: "params.json")
    #expect(
      try refusal(scratch.path).problem == .trainerConfig("params.json", missing: "\"lora\"[\"scaling\"]", found: nil))
    try scratch.write(#"{"dim": 4, "lora": {"rank": 8, "scaling": 0.3}}"#, to: "params.json")
    #expect(try Adapter(folder: scratch.path).updates[0].scaling == 0.3)
  }

  @Test func weightsWithoutConfigAreNoReasonToLookFurther() throws {
    let scratch = try Scratch()
    try scratch.write(pair("q"))
    try scratch.write("{}", to: "mine/adapter_config.json")
    #expect(try refusal(scratch.path).problem == .missingFile("adapter_config.json"))
  }

  @Test func aPickleIsNeverOpened() throws {
    let scratch = try Scratch()
    // A folder of that name cannot be opened for reading as a file: only its being there is looked at.
    try scratch.write("", to: "adapter_model.bin/x")
    try scratch.write("{}", to: "adapter_config.json")
    let error = try refusal(scratch.path)
    #expect(error.errorClass == "pickle" && error.file?.hasSuffix("adapter_model.bin") == true)
    #expect(error.hint?.contains("weights_only=True") == true && error.hint?.contains("save_file") == true)
    #expect(error.hint?.contains("\n") == false)
  }

  @Test(arguments: [
    ("", "adapter-config"), ("{", "adapter-config"), ("[]", "adapter-config"), (#"{"r": 1, "r": 2}"#, "adapter-config"),
    (#"{"peft_type": "LORA", "lora_alpha": NaN}"#, "adapter-config"),
    (#"{"peft_type": "LORA", "lora_alpha": 1e999}"#, "adapter-config"),
    (String(repeating: " ", count: 4 << 20) + "{}", "adapter-config"),
  ])
  func malformedConfigsAreRefused(text: String, errorClass: String) throws {
    let scratch = try Scratch()
    try scratch.write(text, to: "adapter_config.json")
    try scratch.write(pair("q"))
    let error = try refusal(scratch.path)
    #expect(error.errorClass == errorClass && error.file?.hasSuffix("adapter_config.json") == true)
  }

  @Test func aConfigMustBeARegularFile() throws {
    let scratch = try Scratch()
    try scratch.write("", to: "adapter_config.json/x")
    try scratch.write(pair("q"))
    #expect(try refusal(scratch.path).errorClass == "not-a-file")
  }

  @Test func brokenWeightsAreReportedAsTheFormatDoes() throws {
    let scratch = try Scratch()
    try scratch.write(#"{"peft_type": "LORA"}"#, to: "adapter_config.json")
    try scratch.write("abc", to: "adapter_model.safetensors")
    let error = try refusal(scratch.path)
    #expect(error.errorClass == "truncated" && error.message.contains("3 bytes"))
    #expect(error.file == scratch.path + "/adapter_model.safetensors")
  }
}
