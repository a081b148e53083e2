import Foundation
import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

/// A folder of diffusers as the commands see it.
@Suite struct PipelineCommandTests {
  private static let pickled = "safety_checker: pytorch_model.bin is a Python pickle, which is never opened"

  private func run(_ arguments: String...) throws -> Program.Result {
    let result = try Program.run(arguments)
    #expect(result.status == 0, "\(result.messages)\(result.text)")
    return result
  }

  @Test func lsListsThePartsAndNamesPickles() throws {
    let pipeline = try TestPipeline(Scratch())
    let names = try run("ls", pipeline.path, "--format", "names")
    #expect(
      names.lines == [
        "text_encoder/text_model.final_layer_norm.weight", "text_encoder/text_model.q_proj.weight",
        "text_encoder_2/text_model.final_layer_norm.weight", "text_encoder_2/text_model.q_proj.weight",
        "unet/conv_in.weight", "unet/conv_out.weight", "unet/mid.to_q.weight", "vae/decoder.weight",
      ])
    #expect(names.messageLines.count == 1)
    #expect(names.messages.contains(Self.pickled))
    let tree = try run("ls", pipeline.path, "--tree", "--depth", "1")
    #expect(tree.lines.contains { $0.contains("unet") })
    #expect(try run("ls", pipeline.path, "--summary").text.contains("parameter), plus activations"))
    #expect(try run("ls", pipeline.path + "/unet", "--format", "names").lines.first == "conv_in.weight")
    try pipeline.write(
      try String(decoding: contents(pipeline.path + "/unet/" + TestPipeline.indexName), as: UTF8.self)
        .replacingOccurrences(of: "384", with: "385"), to: "unet/" + TestPipeline.indexName)
    #expect(
      try run("ls", pipeline.path).messages.contains(
        "total_size in unet/\(TestPipeline.indexName) is 385, but the tensors have 384 bytes"))
  }

  @Test func checkLooksAtEveryPart() throws {
    let pipeline = try TestPipeline(Scratch())
    let good = try run("check", pipeline.path)
    #expect(good.text.contains("OK: no problems found"), "\(good.text)")
    #expect(good.text.contains("(5 files, 8 tensors)"), "\(good.text)")
    #expect(good.text.contains(Self.pickled), "\(good.text)")
    // One finding in each of three parts, and one about a part that is gone.
    try pipeline.remove(TestPipeline.weights[3])
    try pipeline.write("{", to: "text_encoder/config.json")
    try pipeline.remove("vae/diffusion_pytorch_model.safetensors")
    try pipeline.remove("text_encoder_2")
    let bad = try Program.run(["check", pipeline.path])
    #expect(bad.status == 3)
    for text in [
      "diffusion_pytorch_model-00002-of-00002.safetensors: is missing", "text_encoder/config.json: not valid JSON",
      "vae: no weights in this folder", "names the part text_encoder_2",
    ] { #expect(bad.text.contains(text), "\(text)\n\(bad.text)") }
  }

  @Test func checkLooksAtEveryVariant() throws {
    let pipeline = try TestPipeline(Scratch())
    try pipeline.write("not weights", to: "vae/diffusion_pytorch_model.fp16.safetensors")
    let result = try Program.run(["check", pipeline.path])
    #expect(result.status == 3)
    #expect(result.text.contains("vae/diffusion_pytorch_model.fp16.safetensors"), "\(result.text)")
    #expect(
      result.text.contains("several variants of the weights, each of which was checked: default, fp16"),
      "\(result.text)")
  }

  @Test func mergesChecksAndCompares() throws {
    let pipeline = try TestPipeline(Scratch())
    let (adapter, output) = (try pipeline.adapter(), pipeline.scratch.file("merged"))
    let dry = try run("merge", pipeline.path, adapter, "-o", output, "--dry-run")
    #expect(dry.text.contains("unet/mid.to_q"), "\(dry.text)")
    #expect(try pipeline.scratch.entries() == ["adapter", "base"])
    let merged = try run(
      "merge", pipeline.path, adapter, "-o", output, "--verify", "full", "--checksums", "--model-card")
    #expect(
      try String(decoding: contents(output + "/README.md"), as: UTF8.self).contains("library_name: diffusers\n"))
    #expect(merged.messages.contains(Self.pickled))
    #expect(try run("check", output, "--data").text.contains("OK: no problems found"))
    let against = try run("check", output, "--against", pipeline.path, "--adapter", adapter)
    #expect(against.text.contains("2 of 2 merged tensors match"), "\(against.text)")
    let same = try Program.run(["diff", "--exit-code", pipeline.path, pipeline.path])
    #expect(same.status == 0, "\(same.messages)\(same.text)")
    let difference = try Program.run(["diff", "--exit-code", pipeline.path, output])
    #expect(difference.status == 1)
    #expect(difference.text.contains("2 changed, 6 identical"), "\(difference.text)")
    #expect(difference.text.contains("unet/mid.to_q.weight"))
    // Every file of the result is in its record and in the list of checksums.
    let files = try tree(output).filter { !$0.value.isEmpty }.keys.sorted()
    let sums = try run("check", output, "--write-checksums")
    #expect(sums.lines.map { String($0.dropFirst(66)) }.sorted() == files)
    let record = try contents(output + "/.safemerge.json")
    guard case .array(let recorded)? = try JSONParser.parse(record.span)["files"] else {
      Issue.record("no files in the record")
      return
    }
    let names = recorded.compactMap { file in if case .string(let name)? = file["name"] { name } else { nil } }
    #expect(names.sorted() == files.filter { $0 != ".safemerge.json" })
  }

  /// Configurations of parts are compared as that of a model is.
  @Test func diffComparesTheConfigOfParts() throws {
    let scratch = try Scratch()
    let (one, other) = (try TestPipeline(scratch), try TestPipeline(scratch, at: "other"))
    try other.write(#"{"_class_name": "UNet2DConditionModel", "sample_size": 64}"#, to: "unet/config.json")
    try other.write(##"{"a": 1}"##, to: "tokenizer/vocab.json")
    let result = try Program.run(["diff", "--exit-code", one.path, other.path])
    #expect(result.status == 1)
    #expect(result.text.contains("sample_size") && result.text.contains("unet/config.json"), "\(result.text)")
    #expect(result.text.contains("tokenizer/vocab.json"), "\(result.text)")
  }

  @Test func severalVariantsNeedAChoice() throws {
    let pipeline = try TestPipeline(Scratch())
    try pipeline.write(
      [TestPipeline.tensor("decoder.weight", [3, 2], 9)], to: "vae/diffusion_pytorch_model.fp16.safetensors")
    let (adapter, output) = (try pipeline.adapter(), pipeline.scratch.file("merged"))
    for arguments in [["ls", pipeline.path], ["merge", pipeline.path, adapter, "-o", output]] {
      let result = try Program.run(arguments)
      #expect(result.status == 3)
      #expect(result.messages.contains("several variants of the same weights: default, fp16 (in vae) [variant]"))
      #expect(result.messages.contains("--variant default or --variant fp16"))
    }
    let listed = try run("ls", pipeline.path, "--variant", "fp16", "--shards", "--format", "names")
    #expect(listed.lines.contains(pipeline.path + "/vae/diffusion_pytorch_model.fp16.safetensors"))
    // The other variant is named among the files that are not copied.
    let merged = try run("merge", pipeline.path, adapter, "-o", output, "--variant", "fp16", "-v")
    #expect(merged.messages.contains("vae/diffusion_pytorch_model.safetensors"), "\(merged.messages)")
    #expect(
      try pipeline.scratch.entries("merged/vae") == ["config.json", "diffusion_pytorch_model.fp16.safetensors"])
    // The record has the variant.
    let against = try run("check", output, "--against", pipeline.path, "--adapter", adapter)
    #expect(against.text.contains("2 of 2 merged tensors match"), "\(against.text)")
    #expect(try run("diff", pipeline.path, output, "--variant", "fp16").text.contains("2 changed, 6 identical"))
  }

  @Test func forceReplacesAPipeline() throws {
    let pipeline = try TestPipeline(Scratch())
    let (adapter, output) = (try pipeline.adapter(), pipeline.scratch.file("merged"))
    _ = try run("merge", pipeline.path, adapter, "-o", output)
    #expect(try Program.run(["merge", pipeline.path, adapter, "-o", output]).status == 5)
    _ = try run("merge", pipeline.path, adapter, "-o", output, "--force")
    // Without a record the names of files and parts decide.
    try FileManager.default.removeItem(atPath: output + "/.safemerge.json")
    try FileManager.default.removeItem(atPath: output + "/safety_checker")
    _ = try run("merge", pipeline.path, adapter, "-o", output, "--force")
    try FileManager.default.removeItem(atPath: output + "/.safemerge.json")
    try pipeline.scratch.write("mine", to: "merged/unet/notes.doc")
    let kept = try Program.run(["merge", pipeline.path, adapter, "-o", output, "--force"])
    #expect(kept.status == 5)
    #expect(kept.messages.contains("exists and is not just a model"), "\(kept.messages)")
    #expect(try contents(output + "/unet/notes.doc") == Array("mine".utf8))
  }

  @Test func anInterruptedMergeIsResumed() throws {
    let model = try SlowModel(part: "text_encoder")
    let scratch = model.scratch
    #expect(try model.merge(scratch.file("whole")).status == 0)
    let result = try model.merge(
      scratch.file("merged"), shell: SlowModel.signalling("TERM", after: "^shard     1/", pause: "0.05"))
    try #require(result.status == 143, "\(result.messages)")
    let first = scratch.file(".merged.safemerge/result/text_encoder/model-0.safetensors")
    let inode = try #require(try SystemCalls.identity(path: first)).inode
    #expect(try model.merge(scratch.file("merged")).status == 0)
    #expect(try tree(scratch.file("merged")) == tree(scratch.file("whole")))
    let resumed = try #require(try SystemCalls.identity(path: scratch.file("merged/text_encoder/model-0.safetensors")))
    #expect(resumed.inode == inode, "it was not written again")
    #expect(try scratch.entries() == ["adapter", "base", "merged", "whole"])
  }

  /// A snapshot of the Hugging Face cache, whose files are links.
  @Test func aSnapshotOfTheCacheIsAPipeline() throws {
    let scratch = try Scratch()
    let pipeline = try TestPipeline(scratch)
    let commit = String(repeating: "a", count: 40)
    let repository = "cache/models--org--name/"
    try scratch.write(commit, to: repository + "refs/main")
    try scratch.folder(repository + "blobs")
    for (number, name) in try tree(pipeline.path).filter({ !$0.value.isEmpty }).keys.sorted().enumerated() {
      let path = repository + "snapshots/\(commit)/" + name
      try scratch.folder(String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]))
      try FileManager.default.moveItem(
        atPath: pipeline.path + "/" + name, toPath: scratch.file(repository + "blobs/\(number)"))
      let up = name.contains("/") ? "../../../" : "../../"
      try scratch.link(path, to: up + "blobs/\(number)")
    }
    func cached(_ arguments: String...) throws -> Program.Result {
      try Program.run(arguments, environment: ["HF_HUB_CACHE": scratch.file("cache")])
    }
    let listed = try cached("ls", "org/name", "--format", "names")
    #expect(listed.status == 0 && listed.lines.count == 8, "\(listed.messages)")
    let merged = try cached("merge", "org/name", pipeline.adapter(), "-o", scratch.file("merged"))
    #expect(merged.status == 0, "\(merged.messages)")
    #expect(try scratch.entries("merged/tokenizer") == ["merges.txt", "vocab.json"])
    // A download of some parts only says how to get the others.
    try FileManager.default.removeItem(atPath: scratch.file(repository + "snapshots/\(commit)/vae"))
    let part = try cached("ls", "org/name")
    #expect(part.status == 3)
    #expect(part.messages.contains("the cached snapshot is incomplete; download it with: hf download org/name"))
  }
}
