import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// The commands that write adapters, ended while they work, and run again. `Fixtures/checks/check_killed_commands.py` does so at many
/// more moments.
@Suite struct KilledCommandTests {
  /// A command that makes several modules.
  enum Way: String, CaseIterable {
    case extract, resize, convert, combine

    func arguments(_ inputs: Inputs) -> [String] {
      switch self {
      case .extract: ["extract", inputs.base, inputs.tuned, "--rank", "6"]
      case .resize: ["resize", inputs.adapter, "--rank", "3"]
      case .convert: ["convert", inputs.adapter, "--to", "mlx"]
      case .combine: ["combine", inputs.adapter, inputs.other + "=0.5"]
      }
    }
  }

  /// A base, a model that was tuned, and two adapters of twelve modules.
  struct Inputs {
    let scratch: Scratch
    let base: String
    let tuned: String
    let adapter: String
    let other: String
    static let moduleCount = 12

    init() throws {
      let scratch = try Scratch()
      var random = SeededGenerator(seed: 5)
      func tensor(_ name: String, _ rows: Int, _ columns: Int) -> TestTensor {
        let values = (0..<rows * columns).map { _ in Float.random(in: -1...1, using: &random) }
        let bytes = values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
        return TestTensor(name, .f32, [rows, columns], bytes: bytes)
      }
      let modules = (0..<Self.moduleCount).map { "model.layers.\($0 / 2).mlp.\($0 % 2 == 0 ? "up" : "down")_proj" }
      let base = try scratch.folder("inputs/base")
      try writeFile(base + "/model.safetensors", modules.map { tensor($0 + ".weight", 96, 80) })
      try scratch.write("{}", to: "inputs/base/config.json")
      func made(_ name: String) throws -> String {
        try writeAdapter(
          scratch.file("inputs/" + name), rank: 8, alpha: "8",
          modules.flatMap { [tensor($0 + ".lora_A.weight", 8, 80), tensor($0 + ".lora_B.weight", 96, 8)] })
      }
      (self.scratch, self.base) = (scratch, base)
      adapter = try made("adapter")
      other = try made("other")
      tuned = scratch.file("inputs/tuned")
      let result = try Program.run(["merge", "-q", base, adapter, "-o", tuned])
      try #require(result.status == 0, "\(result.messages)")
    }

    func run(
      _ way: Way, _ output: String, _ more: [String] = [], shell: String? = nil
    ) throws -> Program.Result {
      try Program.run(way.arguments(self) + ["-o", scratch.file(output), "-j", "1"] + more, shell: shell)
    }
  }

  /// Kept modules of the run that followed.
  private func resume(_ way: Way, _ inputs: Inputs, _ expected: [String: [UInt8]]) throws -> Int {
    let result = try inputs.run(way, "out", ["--json"])
    #expect(result.status == 0, "\(result.messages)")
    #expect(try tree(inputs.scratch.file("out")) == expected)
    #expect(try inputs.scratch.entries() == ["inputs", "out", "whole"])
    let events = try AdapterEvents(result)
    try events.expectSums(of: way.rawValue, inputs.scratch.file("out"))
    return Int(AdapterEvents.number(try events.one("adapter_done")["modules_kept"]) ?? -1)
  }

  @Test(arguments: Way.allCases) func aKilledRunIsResumedWithTheSameBytes(way: Way) throws {
    let inputs = try Inputs()
    let before = try tree(inputs.scratch.file("inputs"))
    #expect(try inputs.run(way, "whole").status == 0)
    let expected = try tree(inputs.scratch.file("whole"))
    var random = SeededGenerator()
    var kept = 0
    for _ in 0..<4 {
      let (line, pause) = (Int.random(in: 1...9, using: &random), Int.random(in: 0...9, using: &random))
      let shell = SlowModel.signalling("KILL", after: "^module    \(line)/", pause: "0.00\(pause)")
      let result = try inputs.run(way, "out", ["-v"], shell: shell)
      #expect([0, 137].contains(result.status), "\(random): \(result.messages)")
      let output = inputs.scratch.file("out")
      // Absent or complete.
      if FileManager.default.fileExists(atPath: output) {
        #expect(try tree(output) == expected, "\(random)")
        #expect(try Program.run(["clean", output, "--yes"]).status == 0)
      } else {
        kept += try resume(way, inputs, expected)
      }
      try FileManager.default.removeItem(atPath: output)
    }
    #expect(kept > 0, "\(random): no module was kept")
    #expect(try tree(inputs.scratch.file("inputs")) == before)
  }

  @Test(arguments: Way.allCases, [("INT", 130), ("TERM", 143)] as [(String, Int32)])
  func aSignalKeepsWhatIsMade(way: Way, signal: (name: String, status: Int32)) throws {
    let inputs = try Inputs()
    #expect(try inputs.run(way, "whole").status == 0)
    let shell = SlowModel.signalling(signal.name, after: "\"event\":\"module\"", stream: 1)
    let result = try inputs.run(way, "out", ["--json"], shell: shell)
    // On a slow machine it may have been complete before the signal came.
    guard result.status != 0 else { return }
    #expect(result.status == signal.status, "\(result.messages)")
    let last = try AdapterEvents(result).one("interrupted")
    #expect(last["exit"] == .integer(Int64(signal.status)))
    let made = try #require(AdapterEvents.number(last["kept"]?["shards"]))
    #expect(made >= 1)
    #expect(result.messages.hasPrefix("safemerge: interrupted; "), "\(result.messages)")
    #expect(result.messages.contains("of 12 modules") && result.messages.contains("again to resume"))
    #expect(try inputs.scratch.entries() == [".out.safemerge", "inputs", "whole"])
    let kept = try resume(way, inputs, tree(inputs.scratch.file("whole")))
    #expect(kept == Int(made))
  }

  @Test(arguments: Way.allCases) func cleanLeavesNothing(way: Way) throws {
    let inputs = try Inputs()
    let shell = SlowModel.signalling("KILL", after: "^module    2/")
    let result = try inputs.run(way, "out", ["-v"], shell: shell)
    guard result.status == 137, try inputs.scratch.entries() == [".out.safemerge", "inputs"] else { return }
    let listed = try Program.run(["clean", inputs.scratch.file("out"), "--json"])
    let bytes = Array(listed.text.utf8)
    let work = AdapterEvents.list(try JSONParser.parse(bytes.span)["work"])
    #expect(work.count == 1 && (AdapterEvents.number(work.first?["complete_modules"]) ?? 0) >= 1, "\(listed.text)")
    #expect(try inputs.scratch.entries() == [".out.safemerge", "inputs"])
    #expect(try Program.run(["clean", inputs.scratch.file("out"), "--yes"]).status == 0)
    #expect(try inputs.scratch.entries() == ["inputs"])
  }

  /// Other options, or another input, make another adapter.
  @Test func workOfAnotherAdapterIsNotUsed() throws {
    let inputs = try Inputs()
    let shell = SlowModel.signalling("KILL", after: "^module    3/")
    guard try inputs.run(.resize, "out", ["-v"], shell: shell).status == 137 else { return }
    let before = try tree(inputs.scratch.path).filter { !$0.key.hasSuffix("/lock") }
    for options in [["--dtype", "bf16"], ["--max-rank", "2", "--energy", "0.5"]] {
      let arguments = ["resize", "-q", inputs.adapter, "-o", inputs.scratch.file("out")]
      let result = try Program.run(arguments + (options[0] == "--dtype" ? ["--rank", "3"] + options : options))
      #expect(expectRefusal(result, status: 5).contains("[other-merge]"))
      #expect(result.messages.contains("--no-resume"), "\(result.messages)")
    }
    #expect(try tree(inputs.scratch.path).filter { !$0.key.hasSuffix("/lock") } == before)
    let restarted = try inputs.run(.resize, "out", ["--dtype", "bf16", "--no-resume", "--json"])
    #expect(restarted.status == 0, "\(restarted.messages)")
    #expect(try AdapterEvents(restarted).one("adapter_done")["modules_kept"] == .integer(0))
    #expect(try inputs.scratch.entries() == ["inputs", "out"])
  }

  /// Whether this user may mount in a name space of their own.
  private static let mounts: Bool = {
    let script = "unshare -m sh -c 'mount -t tmpfs tmpfs /mnt' 2>/dev/null && echo yes; true"
    return (try? Program.run([], shell: script).text) == "yes\n"
  }()

  @Test(.enabled(if: mounts, "this user may not mount"), arguments: Way.allCases)
  func aFullDiskKeepsWhatIsMade(way: Way) throws {
    let inputs = try Inputs()
    #expect(try inputs.run(way, "whole").status == 0)
    let results = try inputs.scratch.folder("results")
    let script = """
      mount -t tmpfs -o size=40k tmpfs "\(results)" || exit 9
      "$0" "$@"; status=$?
      [ $status -eq 4 ] || exit 1
      [ -z "$(ls "\(results)")" ] || exit 2
      mount -o remount,size=8m "\(results)" || exit 9
      "$0" "$@" || exit 3
      diff -r "\(inputs.scratch.file("whole"))" "\(results)/out" || exit 4
      ls -A "\(results)"
      """
    try inputs.scratch.write(script, to: "script")
    let shell = "program=$0; exec unshare -m sh -c '. \"\(inputs.scratch.file("script"))\"' \"$program\" \"$@\""
    let result = try inputs.run(way, "results/out", [], shell: shell)
    #expect(result.status == 0, "\(result.status): \(result.messages) \(result.text)")
    #expect(result.text == "out\n")
    let error = try #require(result.messageLines.first { $0.hasPrefix("error: ") })
    #expect(error.contains("No space left on device") || error.contains("[space]"), "\(error)")
    #expect(result.messageLines.contains { $0.hasPrefix("  hint: ") }, "\(result.messages)")
  }
}
