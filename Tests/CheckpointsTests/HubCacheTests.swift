import Checkpoints
import Foundation
import Platform
import TestSupport
import Testing

/// A cache with every shape that huggingface_hub leaves; `.ci/nightly/compare-hub-cache` compares the same shapes with the library.
@Suite struct HubCacheTests {
  private let scratch: Scratch
  private let cache: HubCache

  init() throws {
    scratch = try Scratch()
    cache = HubCache(path: scratch.file("hub"))
    try add("org/plain", "a")
    try add("org/shared", "b", store: .shared)
    try add("org/flat", "c", store: .flat)
    try add("org/dangling", "d", store: .gone)
    try add("org/norefs", "e", revision: nil)
    try add("org/pr", "f", revision: "refs/pr/3")
    try add("gpt2-like", "1")
    try add("org/two", "2")
    try add("org/two", "3", revision: "v1.0")
    try add("org/branch", "4", revision: "feature/x")
    try scratch.write(commit("9"), to: "hub/models--org--partial/refs/main")
    try scratch.folder("hub/models--org--partial/snapshots/" + commit("9"))
    try scratch.write("", to: "hub/models--org--partial/.no_exist/\(commit("9"))/model.safetensors")
    try scratch.write(commit("5") + "\n", to: "hub/models--org--newline/refs/main")
    try scratch.folder("hub/models--org--newline/snapshots/" + commit("5"))
    try scratch.folder("hub/models--org--empty")
    try scratch.folder("hub/datasets--org--d")
    try scratch.write("outside", to: "hub/models--org--plain/outside")
  }

  private enum Store { case own, shared, flat, gone }

  private func commit(_ digit: Character) -> String { String(repeating: digit, count: 40) }

  private func folder(_ repository: String, _ digit: Character) -> String {
    cache.path + "/models--" + repository.replacing("/", with: "--") + "/snapshots/" + commit(digit)
  }

  private func add(
    _ repository: String, _ digit: Character, revision: String? = "main", store: Store = .own
  ) throws {
    let name = "hub/models--" + repository.replacing("/", with: "--")
    let snapshot = try scratch.folder("\(name)/snapshots/\(commit(digit))")
    if let revision { try scratch.write(commit(digit), to: "\(name)/refs/\(revision)") }
    if store == .flat {
      try scratch.write("data", to: "\(name)/snapshots/\(commit(digit))/model.safetensors")
      return
    }
    let blob = try scratch.folder("\(name)/blobs") + "/\(digit)blob"
    switch store {
    case .shared:
      try scratch.write("data", to: "hub/blobs/ab/abcd")
      try FileManager.default.createSymbolicLink(atPath: blob, withDestinationPath: "../../blobs/ab/abcd")
    case .gone: break
    default: try scratch.write("data", to: "\(name)/blobs/\(digit)blob")
    }
    try FileManager.default.createSymbolicLink(
      atPath: snapshot + "/model.safetensors", withDestinationPath: "../../blobs/\(digit)blob")
  }

  private func reference(_ text: String) throws -> HubReference { try #require(try HubReference(text)) }

  @Test(
    arguments: [
      ("org/plain", "org/plain", "a"), ("org/plain@main", "org/plain", "a"), ("org/shared", "org/shared", "b"),
      ("org/flat", "org/flat", "c"), ("org/dangling", "org/dangling", "d"), ("org/pr@refs/pr/3", "org/pr", "f"),
      ("hf://org/pr@refs%2Fpr%2F3", "org/pr", "f"), ("gpt2-like", "gpt2-like", "1"), ("org/two", "org/two", "2"),
      ("org/two@v1.0", "org/two", "3"), ("org/branch@feature/x", "org/branch", "4"),
      ("hf://org/branch@feature%2Fx", "org/branch", "4"), ("org/partial", "org/partial", "9"),
      ("org/norefs@" + String(repeating: "e", count: 40), "org/norefs", "e"),
    ] as [(String, String, Character)])
  func findsSnapshots(_ text: String, _ repository: String, _ digit: Character) throws {
    let snapshot = try cache.snapshot(try reference(text))
    #expect(snapshot.commit == commit(digit))
    #expect(snapshot.folder == folder(repository, digit))
  }

  @Test(arguments: [
    ("org/missing", "hf download org/missing"), ("org/plain@v2", "hf download org/plain --revision v2"),
    ("org/norefs", "hf download org/norefs"), ("org/empty", "hf download org/empty"),
    ("org/pr", "hf download org/pr"), ("org/plain@aaaaaaa", "hf download org/plain --revision aaaaaaa"),
    ("org/newline", "hf download org/newline"), ("org/two@it's", "hf download org/two --revision 'it'\\''s'"),
  ])
  func saysHowToFetchWhatIsMissing(_ text: String, _ command: String) throws {
    let reference = try reference(text)
    let error = #expect(throws: HubError.self) { try cache.snapshot(reference) }
    #expect(error?.download == command)
    #expect(error?.hint == "download it with: \(command)")
    #expect(error?.errorClass == "not-cached")
    #expect(error?.category == .inputOutput)
    #expect(error?.message.contains(cache.path) == true)
  }

  @Test func knowsFiles() throws {
    let path = folder("org/plain", "a") + "/model.safetensors"
    #expect(try cache.lookup("model.safetensors", of: reference("org/plain")) == .file(path: path))
    for name in ["org/shared", "org/flat"] {
      guard case .file = try cache.lookup("model.safetensors", of: reference(name)) else {
        Issue.record("\(name) has the file")
        continue
      }
    }
    #expect(try cache.lookup("model.safetensors", of: reference("org/dangling")) == .notCached)
    #expect(try cache.lookup("model.safetensors", of: reference("org/partial")) == .doesNotExist)
    #expect(try cache.lookup("config.json", of: reference("org/partial")) == .notCached)
    #expect(try cache.lookup("x", of: reference("org/missing")) == .notCached)
    #expect(throws: HubError.self) { try cache.lookup("../../outside", of: reference("org/plain")) }
  }

  @Test func addressesReachFiles() throws {
    let address = try reference("hf://org/plain/model.safetensors")
    #expect(try cache.resolve(address).path == folder("org/plain", "a") + "/model.safetensors")
    #expect(try cache.resolve(try reference("org/plain")).path == folder("org/plain", "a"))
    for (text, command) in [
      ("hf://org/dangling/model.safetensors", "hf download org/dangling model.safetensors"), ("hf://org/plain/no", nil),
      ("hf://org/partial/model.safetensors", nil),
    ] {
      let error = #expect(throws: HubError.self) { try cache.resolve(try reference(text)) }
      if let command { #expect(error?.download == command) }
    }
    let error = #expect(throws: HubError.self) {
      try cache.resolve(try reference("hf://org/partial/model.safetensors"))
    }
    #expect(error?.download == nil)
    #expect(error?.category == .refusedInput)
  }

  @Test func nothingIsWritten() throws {
    let before = try FileManager.default.subpathsOfDirectory(atPath: cache.path)
    for text in ["org/plain", "org/missing", "org/two@v9"] { _ = try? cache.resolve(try reference(text)) }
    #expect(try FileManager.default.subpathsOfDirectory(atPath: cache.path) == before)
    let absent = HubCache(path: scratch.file("no/such"))
    #expect(throws: HubError.self) { try absent.snapshot(reference("org/plain")) }
    #expect(!FileManager.default.fileExists(atPath: scratch.file("no")))
  }
}
