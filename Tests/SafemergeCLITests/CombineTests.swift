import Foundation
import Safetensors
import TestSupport
import Testing

/// `safemerge merge --combine`.
@Suite struct CombineTests {
  private static let base = basePath("tiny-llama-f32")
  private static let one = adapterPath("several-a-f32")
  private static let other = adapterPath("several-b-f32")

  @Test(arguments: [
    ("linear", ["several-a-f32", "several-b-f32=-0.5"], []),
    ("ties", ["several-a-f32", "several-b-f32=0.5"], ["--density", "0.5"]),
    (
      "ties-frequency", ["several-a-f32", "several-b-f32=0.5"],
      ["--density", "0.7", "--majority-sign", "frequency"]
    ),
    ("prune", ["several-a-f32", "several-b-f32=-0.5"], ["--density", "0.4"]),
    ("cat", ["several-a-f32=0.7", "several-c-f32=-1.5"], ["--arithmetic", "peft"]),
  ])
  func asPEFT(name: String, adapters: [String], options: [String]) throws {
    let scratch = try Scratch()
    let paths = adapters.map { text in
      let parts = text.split(separator: "=")
      return adapterPath(String(parts[0])) + (parts.count > 1 ? "=\(parts[1])" : "")
    }
    let method = ["ties-frequency": "ties", "prune": "magnitude_prune"][name] ?? name
    let result = try Program.run(
      ["merge", Self.base] + paths + ["-o", scratch.file("merged"), "--combine", method] + options)
    #expect(result.status == 0, "\(result.messages)")
    #expect(try scratch.entries() == ["merged"])
    let found = try tensorBytes(scratch.file("merged/model.safetensors"))
    for (tensor, bytes) in try tensorBytes(FixtureCase.merged("several-\(name)-f32")) {
      #expect(found[tensor] == bytes, "\(tensor)")
    }
    // Nothing that is shown is in the temporary folder.
    #expect(!result.messages.contains(".safemerge-combined"))
  }

  @Test func catIsTheWeightedSum() throws {
    let scratch = try Scratch()
    let arguments = ["merge", Self.base, Self.one + "=0.7", adapterPath("several-c-f32") + "=-1.5", "-o"]
    #expect(try Program.run(arguments + [scratch.file("sum")]).status == 0)
    #expect(try Program.run(arguments + [scratch.file("cat"), "--combine", "cat"]).status == 0)
    #expect(try model(scratch.file("sum")) == model(scratch.file("cat")))
  }

  @Test func randomMethodsSaySoAndAreRepeatable() throws {
    let scratch = try Scratch()
    for method in ["dare_linear", "dare_ties"] {
      func run(_ name: String, _ seed: String) throws -> [UInt8] {
        let result = try Program.run([
          "merge", Self.base, Self.one, Self.other, "-o", scratch.file(method + name), "--combine", method,
          "--density", "0.6", "--seed", seed,
        ])
        #expect(result.status == 0, "\(result.messages)")
        #expect(result.messageLines.contains { $0.contains("warning:") && $0.contains("torch") })
        return try contents(scratch.file(method + name + "/model.safetensors"))
      }
      let first = try run("1", "18446744073709551615")
      #expect(try run("2", "18446744073709551615") == first)
      #expect(try run("3", "0") != first)
    }
  }

  @Test(arguments: [
    ("svd", []), ("ties_svd", ["--density", "0.5"]), ("magnitude_prune_svd", ["--density", "0.5"]),
    ("dare_linear_svd", ["--density", "0.5", "--seed", "1"]), ("dare_ties_svd", ["--density", "0.5", "--seed", "1"]),
  ])
  func updatesAreDecomposed(method: String, options: [String]) throws {
    let scratch = try Scratch()
    func run(_ name: String, _ more: [String], environment: [String: String] = [:]) throws -> Program.Result {
      try Program.run(
        ["merge", Self.base, Self.one, Self.other + "=0.5", "-o", scratch.file(name), "--combine", method] + options
          + more, environment: environment)
    }
    let result = try run("m", [])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.messageLines.contains { $0.hasPrefix("lapack    ") })
    #expect(try run("rank", ["--svd-rank", "1"]).status == 0)
    #expect(try model(scratch.file("m")) != model(scratch.file("rank")))
    let clamped = try run("clamp", ["--svd-clamp", "0.9"])
    #expect(clamped.messageLines.contains { $0.contains("warning:") && $0.contains("--svd-clamp") })
    #expect(try model(scratch.file("m")) != model(scratch.file("clamp")))
    // The library is looked for before anything is computed, for a dry run too.
    for more in [[], ["-n"]] {
      let missing = try run("none", more, environment: ["SAFEMERGE_LAPACK": "/nonexistent"])
      #expect(expectRefusal(missing, status: 3).contains("/nonexistent"))
    }
    #expect(try scratch.entries() == ["clamp", "m", "rank"])
  }

  @Test func aDryRunLeavesNothing() throws {
    let scratch = try Scratch()
    let temporary = try scratch.folder("temporary")
    let result = try Program.run(
      ["merge", "-n", Self.base, Self.one, Self.other, "--combine", "linear"],
      environment: ["SAFEMERGE_TMPDIR": temporary])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.lines.contains { $0.hasPrefix("plan ") })
    #expect(result.lines.contains { $0.hasPrefix("adapter ") && $0.contains(Self.other) })
    #expect(try scratch.entries("temporary") == [])
  }

  @Test func aFailureLeavesNothing() throws {
    let scratch = try Scratch()
    let temporary = try scratch.folder("temporary")
    let environment = ["SAFEMERGE_TMPDIR": temporary]
    // Ranks 4 and 2.
    let ranks = try Program.run(
      ["merge", Self.base, Self.one, adapterPath("several-c-f32"), "-o", scratch.file("m"), "--combine", "linear"],
      environment: environment)
    #expect(expectRefusal(ranks, status: 3).contains("4, 2"))
    let dora = try Program.run(
      ["merge", Self.base, Self.one, adapterPath("dora-linear-f32"), "-o", scratch.file("m"), "--combine", "linear"],
      environment: environment)
    #expect(expectRefusal(dora, status: 3).contains("DoRA"))
    // Another base: the adapter is named, not what was made of it.
    let base = try Program.run(
      ["merge", basePath("tiny-conv-f32"), Self.one, Self.other, "-o", scratch.file("m"), "--combine", "linear"],
      environment: environment)
    #expect(expectRefusal(base, status: 3).contains(Self.one))
    // An overflow is found in the middle of the merge.
    let overflow = try Program.run(
      [
        "merge", Self.base, Self.one + "=1e38", Self.other + "=1e38", "-o", scratch.file("m"), "--combine", "linear",
        "-q", "--dtype", "f16",
      ],
      environment: environment)
    expectRefusal(overflow, status: 3)
    #expect(try scratch.entries("temporary") == [])
    // The output is looked at before anything is computed.
    let missing = try Program.run(
      ["merge", Self.base, Self.one, "-o", scratch.file("no/where"), "--combine", "linear"])
    #expect(!missing.messages.contains("safemerge-combined") && missing.status != 0)
    let noFolder = try Program.run(
      ["merge", Self.base, Self.one, "-o", scratch.file("m"), "--combine", "linear"],
      environment: ["SAFEMERGE_TMPDIR": scratch.file("missing")])
    expectRefusal(noFolder, status: 4)
    #expect(try scratch.entries() == ["temporary"])
  }

  @Test(arguments: [
    (["--combine", "svd", "--density", "0.5"], "--density has no effect with --combine"),
    (["--combine", "ties_svd"], "--density"),
    (["--combine", "dare_linear_svd", "--density", "0.5"], "--seed"),
    (
      ["--combine", "magnitude_prune_svd", "--density", "0.5", "--majority-sign", "total"],
      "--majority-sign has no effect with --combine"
    ),
    (["--combine", "svd", "--svd-rank", "0"], "at least 1"), (["--combine", "svd", "--svd-clamp", "1.5"], "at most 1"),
    (["--combine", "svd", "--svd-clamp", "0"], "above 0"),
    (["--combine", "linear", "--svd-rank", "2"], "--svd-rank has no effect with --combine"),
    (["--combine", "cat", "--svd-clamp", "0.9"], "--svd-clamp has no effect with --combine"),
    (["--svd-rank", "2"], "--combine"),
    (["--svd-clamp", "0.9"], "--combine"), (["--combine", "mean"], "mean"),
    (["--combine", "ties"], "--density"), (["--combine", "ties", "--density", "0"], "above 0"),
    (["--combine", "ties", "--density", "1.5"], "at most 1"), (["--combine", "ties", "--density", "nan"], "at most 1"),
    (["--combine", "linear", "--density", "0.5"], "--density has no effect with --combine"),
    (
      ["--combine", "magnitude_prune", "--density", "0.5", "--majority-sign", "total"],
      "--majority-sign has no effect with --combine"
    ),
    (["--combine", "ties", "--density", "0.5", "--majority-sign", "loudest"], "loudest"),
    (["--combine", "dare_ties", "--density", "0.5"], "--seed"),
    (["--combine", "ties", "--density", "0.5", "--seed", "1"], "--seed has no effect with --combine"),
    (["--combine", "dare_linear", "--density", "0.5", "--seed", "-1"], "--seed"),
    (["--density", "0.5"], "--combine"), (["--seed", "1"], "--combine"), (["--majority-sign", "total"], "--combine"),
  ])
  func wrongUsage(options: [String], word: String) throws {
    let scratch = try Scratch()
    let result = try Program.run(["merge", Self.base, Self.one, Self.other, "-o", scratch.file("m")] + options)
    #expect(result.status == 2, "\(result.messages)")
    #expect(result.messages.contains(word), "\(result.messages)")
    #expect(try scratch.entries() == [])
  }
}
