import Foundation
import TestSupport
import Testing

/// Merges that need the system's LAPACK, as a user runs them.
@Suite struct DecompositionTests {
  private static let cases = ["init-pissa-f32", "init-olora-bf16", "kasa-f32"]

  private func base(_ name: String) -> String {
    basePath(name.hasSuffix("bf16") ? "tiny-llama-bf16" : "tiny-llama-f32")
  }

  @Test(arguments: cases) func theLibraryIsSaid(name: String) throws {
    let scratch = try Scratch()
    let result = try Program.run(["merge", base(name), adapterPath(name), "-o", scratch.file("m")])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.messageLines.contains { $0.hasPrefix("lapack    ") && $0.hasSuffix(" decomposes 2 tensors") })
    #expect(try scratch.entries() == ["m"])
  }

  @Test(arguments: cases) func aMissingLibraryIsFoundBeforeAnythingIsWritten(name: String) throws {
    let scratch = try Scratch()
    let environment = ["SAFEMERGE_LAPACK": "/nonexistent"]
    for arguments in [["-o", scratch.file("m")], ["-n"]] {
      let result = try Program.run(
        ["merge", base(name), adapterPath(name)] + arguments, environment: environment)
      let line = expectRefusal(result, status: 3)
      #expect(line.contains("/nonexistent") && line.contains("liblapack3") && line.contains("SAFEMERGE_LAPACK"))
      #expect(line.contains("[lapack]"))
    }
    #expect(try scratch.entries() == [])
  }

  /// Who needs no LAPACK is not asked for one.
  @Test func otherMergesNeedNone() throws {
    let scratch = try Scratch()
    let result = try Program.run(
      ["merge", basePath("llama-bf16"), adapterPath("linear-bf16"), "-o", scratch.file("m")],
      environment: ["SAFEMERGE_LAPACK": "/nonexistent"])
    #expect(result.status == 0 && !result.messages.contains("lapack"))
  }

  @Test func incompatibleOptionsAreRefused() throws {
    let scratch = try Scratch()
    let pissa = adapterPath("init-pissa-f32")
    for (adapters, word) in [
      ([pissa, adapterPath("several-a-f32")], "several adapters"), ([pissa + "=0.5"], "a weight of 0.5"),
    ] {
      let result = try Program.run(["merge", base("f32")] + adapters + ["-o", scratch.file("m")])
      #expect(expectRefusal(result, status: 3).contains(word))
    }
    #expect(try scratch.entries() == [])
  }
}
