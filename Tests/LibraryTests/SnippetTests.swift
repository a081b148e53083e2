import Adapters
import Checkpoints
import Foundation
import MergeEngine
import MergePlanning
import Merging
import Platform
import Safetensors
import Staging
import Synchronization
import TestSupport
import Testing

// Nothing here is a part of the package that others cannot use: no @testable, no access to package declarations.

/// The code of docs/library.md, compiled and run as it is.
@Suite struct SnippetTests {
  private let base = fixturesPath() + "/bases/llama-bf16-sharded"
  private let adapter = fixturesPath() + "/lora/linear/bf16/adapter"

  @Test func reading() throws {
    let folder = base
    var lines: [String] = []
    func print(_ items: Any...) { lines.append(items.map { "\($0)" }.joined(separator: " ")) }
    // snippet: reading
    let file = try SafetensorsFile(path: folder + "/model-00001-of-00004.safetensors")
    for tensor in file.header.tensors {
      print(tensor.name, tensor.dtype.name, tensor.shape)
    }
    let elements: [Float] = try file.floats("model.embed_tokens.weight")
    let largest = elements.map(\.magnitude).max() ?? 0
    // end
    #expect(lines.contains("model.embed_tokens.weight BF16 [64, 36]"), "\(lines)")
    #expect(elements.count == 64 * 36)
    #expect(largest > 0 && largest < 100)
  }

  @Test func spans() throws {
    let folder = base
    // snippet: spans
    let file = try SafetensorsFile(path: folder + "/model-00001-of-00004.safetensors")
    let isZero = try file.withBytes(of: "model.embed_tokens.weight") { (bytes) throws(SafetensorsError) -> Bool in
      bytes.byteOffsets.allSatisfy { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) == 0 }
    }
    // end
    #expect(!isZero)
  }

  @Test func writing() throws {
    let scratch = try Scratch()
    let path = scratch.file("new.safetensors")
    // snippet: writing
    let weight = try TensorData("layer.weight", [1, 2, 3, 4, 5, 6], shape: [2, 3], as: .bf16)
    let bias = try TensorData("layer.bias", [0.5, -0.5])
    try SafetensorsWriter.write(path: path, [weight, bias], metadata: ["format": "pt"])
    // end
    let file = try SafetensorsFile(path: path)
    #expect(file.header.metadata == [.init(key: "format", value: "pt")])
    #expect(try file.floats("layer.weight") == [1, 2, 3, 4, 5, 6])
    #expect(try file.data("layer.bias") == bias)
    #expect(file.tensor("layer.weight")?.shape == [2, 3])
  }

  @Test func planning() throws {
    let (base, adapter) = (self.base, self.adapter)
    var lines: [String] = []
    func print(_ text: String) { lines.append(text) }
    // snippet: planning
    let merge = try MergeRequest(base: base, adapters: [adapter]).prepare()
    for module in merge.plan.modules {
      print("\(module.name): r=\(module.rank ?? 0), scaling \(module.scaling ?? 1)")
    }
    for sum in merge.plan.actionSums {
      print("\(sum.tensorCount) tensors \(sum.action.participle)")
    }
    // end
    #expect(lines.count == 14 + 4)
    #expect(lines.contains("model.layers.0.self_attn.q_proj: r=4, scaling 1.75"))
    #expect(lines.contains("14 tensors merged") && lines.contains("7 tensors copied"))
  }

  @Test func merging() throws {
    let scratch = try Scratch()
    let (base, adapter, output) = (self.base, self.adapter, scratch.file("merged"))
    let lines = Mutex<[String]>([])
    @Sendable func print(_ text: String) { lines.withLock { $0.append(text) } }
    // snippet: merging
    var request = try MergeRequest(base: base, adapters: [adapter], output: output)
    request.engine.workers = 4
    request.engine.computesChecksums = true
    let outcome = try request.prepare().run { progress in
      print("\(progress.bytesDone) of \(progress.bytesTotal) bytes")
    }
    // end
    #expect(lines.withLock { $0.last } == "47640 of 47640 bytes")
    #expect(outcome.shards.count == 4 && outcome.shards.allSatisfy { $0.checksum != nil })
    #expect(try merged(output) == expected())
    #expect(try scratch.entries() == ["merged"])
  }

  @Test func streaming() async throws {
    let scratch = try Scratch()
    let (base, adapter, output) = (self.base, self.adapter, scratch.file("merged"))
    var ends = 0
    func print(_ text: String) { if text == "merged" { ends += 1 } }
    // snippet: streaming
    let request = try MergeRequest(base: base, adapters: [adapter], output: output)
    for try await event in request.events() {
      switch event {
      case .progress(let progress): print("\(progress.shardsDone) of \(progress.shardsTotal) shards")
      case .done: print("merged")
      }
    }
    // end
    #expect(ends == 1)
    #expect(try merged(output) == expected())
  }

  @Test func weights() throws {
    let scratch = try Scratch()
    let (base, style, facts, output) = (self.base, self.adapter, self.adapter, scratch.file("merged"))
    // snippet: weights
    var request = try MergeRequest(
      base: Checkpoint(path: base),
      adapters: [
        AdapterUse(Adapter(folder: style), weight: 0.7),
        AdapterUse(Adapter(folder: facts)),
      ],
      output: output)
    request.planning.outputDType = .f32
    try request.prepare().run()
    // end
    let file = try SafetensorsFile(path: output + "/model-00001-of-00004.safetensors")
    #expect(file.header.tensors.allSatisfy { $0.dtype == .f32 })
  }

  @Test func errors() throws {
    let (base, adapter) = (self.base, fixturesPath() + "/lora/refused-arrow/bf16/adapter")
    var lines: [String] = []
    func print(_ text: String) { lines.append(text) }
    // snippet: errors
    do {
      _ = try MergeRequest(base: base, adapters: [adapter]).prepare()
    } catch let error as any ReportableError {
      print("\(error.errorClass): \(error.description)")
      if let hint = error.hint { print(hint) }
    }
    // end
    #expect(lines.first?.hasPrefix("unsupported: \(adapter)") == true, "\(lines)")
  }

  /// Cancelling the task that reads events stops the merge, and nothing is left of it.
  @Test func cancelling() async throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    var request = try MergeRequest(base: base, adapters: [adapter], output: output)
    request.engine.workers = 1
    let task = Task { [request] in
      for try await event in request.events() {
        if case .progress = event { return }
      }
    }
    try await task.value
    // The stream is gone; the merge notices at its next job, or had ended already.
    for _ in 0..<500 where try scratch.entries().contains(where: { $0.hasPrefix(".") }) {
      try await Task.sleep(for: .milliseconds(10))
    }
    let entries = try scratch.entries()
    #expect(entries == [] || entries == ["merged"])
  }

  @Test func aStreamThrowsWhatTheMergeThrows() async throws {
    let scratch = try Scratch()
    let output = try scratch.folder("merged/taken")
    let request = try MergeRequest(base: base, adapters: [adapter], output: output + "/..")
    await #expect(throws: (any Error).self) {
      for try await _ in request.events() {}
    }
  }

  /// With a record the result has the text of it beside it, and equal requests have equal texts.
  @Test func recording() throws {
    let scratch = try Scratch()
    for name in ["one", "two"] {
      var request = try MergeRequest(base: base, adapters: [adapter], output: scratch.file(name))
      request.record = MergeRequest.Record(version: "1", options: [.init(name: "dtype", value: "same")])
      request.verification = .full
      let outcome = try request.prepare().run()
      #expect(outcome.shards.allSatisfy { $0.checksum != nil })
    }
    let records = try ["one", "two"].map { try contents(scratch.file($0) + "/.safemerge.json") }
    #expect(records[0] == records[1])
    #expect(String(decoding: records[0], as: UTF8.self).contains("\"weight 1\": \"1.0\""))
  }

  /// What has no output cannot be carried out.
  @Test func aPlanAloneIsNotCarriedOut() throws {
    let merge = try MergeRequest(base: base, adapters: [adapter]).prepare()
    let error = #expect(throws: (any Error).self) { try merge.run() }
    #expect((error as? any ReportableError)?.message == "internal error: no output was asked for")
  }

  /// Every block of Swift in the documents is one of the snippets above, word for word.
  @Test func theDocumentsShowTheseSnippets() throws {
    let root = fixturesPath() + "/.."
    let source = String(decoding: try contents(root + "/Tests/LibraryTests/SnippetTests.swift"), as: UTF8.self)
    var snippets: [String: String] = [:]
    var name: String?
    for line in source.split(separator: "\n", omittingEmptySubsequences: false) {
      let text = line.drop { $0 == " " }
      if text.hasPrefix("// snippet: ") {
        name = String(text.dropFirst("// snippet: ".count))
      } else if text == "// end" {
        name = nil
      } else if let name {
        // The bodies of tests are four spaces in.
        snippets[name, default: ""] += line.dropFirst(4) + "\n"
      }
    }
    #expect(snippets.count == 8)
    var shown: Set<String> = []
    for document in ["README.md", "docs/library.md"] {
      let text = String(decoding: try contents(root + "/" + document), as: UTF8.self)
      let blocks = text.components(separatedBy: "```swift\n").dropFirst().compactMap {
        $0.components(separatedBy: "```").first
      }
      for block in blocks {
        var code = block
        while code.hasPrefix("import ") { code = String(code.drop { $0 != "\n" }.dropFirst()) }
        if code.hasPrefix("\n") { code.removeFirst() }
        // The manifest of a package is no code that runs here.
        if code.contains(".package(") { continue }
        let found = snippets.first { $0.value == code }
        #expect(found != nil, "\(document) shows what no test runs:\n\(code)")
        if let found { shown.insert(found.key) }
      }
    }
    #expect(shown == Set(snippets.keys))
  }

  private func merged(_ folder: String) throws -> [String: [Float]] {
    var tensors: [String: [Float]] = [:]
    for number in 1...4 {
      let file = try SafetensorsFile(path: folder + "/model-0000\(number)-of-00004.safetensors")
      for tensor in file.header.tensors { tensors[tensor.name.string] = try file.floats(tensor.name) }
    }
    return tensors
  }

  /// What PEFT merged.
  private func expected() throws -> [String: [Float]] {
    let file = try SafetensorsFile(path: fixturesPath() + "/lora/linear/bf16/merged/model.safetensors")
    return try Dictionary(
      uniqueKeysWithValues: file.header.tensors.map { ($0.name.string, try file.floats($0.name)) })
  }
}
