import TestSupport
import Testing

/// `--fan-in-fan-out`: the answer where nothing tells how a square weight is stored.
@Suite struct OrientationOptionTests {
  private static let folder = fixturesPath() + "/siblings/square-undecided/"
  private static let models = [folder + "base", folder + "adapter"]

  @Test func itIsAskedForAndTaken() throws {
    let scratch = try Scratch()
    let refused = try Program.run(["merge"] + Self.models + ["-o", scratch.file("none")])
    let message = expectRefusal(refused, status: 3)
    #expect(message.contains("--fan-in-fan-out true") && message.contains("[orientation]\n"))
    for answer in ["true", "false"] {
      let result = try Program.run(
        ["merge"] + Self.models + ["-o", scratch.file(answer), "--quiet", "--fan-in-fan-out", answer])
      #expect(result.status == 0, "\(result.messages)")
    }
    // The merge with the other answer is wrong, and the check says how; without an answer it does not judge.
    func check(_ result: String, _ options: [String]) throws -> Program.Result {
      try Program.run(
        ["check", scratch.file(result), "--against", Self.models[0], "--adapter", Self.models[1]] + options)
    }
    #expect(try check("true", ["--fan-in-fan-out", "true"]).status == 0)
    let wrong = try check("false", ["--fan-in-fan-out", "true"])
    #expect(wrong.status == 3 && (wrong.text + wrong.messages).contains("delta-transposed"))
  }
}
