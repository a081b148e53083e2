import Foundation
import JSONText
import TestSupport
import Testing

@testable import SafemergeCLI

/// The one form of errors: a line with the class, a line with the hint, in every command and for every kind of error.
@Suite struct ErrorFormTests {
  private static let base = basePath("llama-bf16")
  private static let adapter = adapterPath("linear-bf16")
  private static let commands = ["merge", "ls", "check", "diff", "report", "clean", "completion"]

  /// Wrong usage, and the message and hint for it.
  private static let usage: [(arguments: [String], message: String, hint: String?)] = [
    (["help", "nosuch"], #"unknown command "nosuch""#, "commands: merge, combine"),
    (["version"], #"unknown command "version""#, "safemerge --version"),
    (["./base", "./adapter", "-o", "x"], #"unknown command "./base""#, "a command comes first"),
    (["merge", "a", "b"], "missing required option --output (-o): where to write the merged model", "for example -o"),
    (
      ["merge", base, "-n"], "no adapter is given, and \(base) is a model", "safemerge merge \(base) ADAPTER -o OUTPUT"
    ),
    (["merge"], "missing argument <base>", "safemerge merge BASE ADAPTER -o OUTPUT"),
    (["merge", base, adapter + "=abc", "-n"], #"invalid weight "abc" for "#, "for example \(adapter)=0.5"),
    (["merge", "a", "b", "-o", ""], "the value of -o is empty", "is a shell variable unset?"),
    (["merge", "a", "b", "--output="], "the value of --output is empty", "is a shell variable unset?"),
    (["merge", "", "b", "-o", "x"], "argument 1 of merge is empty", "is a shell variable unset?"),
    (["merge", "a", "b", "--dtype", "bf17"], #"invalid value "bf17" for --dtype"#, "values: auto, bfloat16"),
    (["merge", "a", "b", "--dtype", "bfloat17"], #"invalid value "bfloat17" for --dtype"#, "did you mean bfloat16?"),
    (
      ["merge", "a", "b", "--max-shard-size", "5XB"], #"invalid value "5XB" for --max-shard-size: unknown unit "XB""#,
      "for example 5GB"
    ),
    (
      ["merge", "a", "b", "--max-shard-size", "5"], #"invalid value "5" for --max-shard-size: the unit is missing"#,
      "for example 5GB"
    ),
    (
      ["merge", "a", "b", "--map", "foo"], #"invalid value "foo" for --map: expected REGEX=REPLACEMENT"#,
      "for example --map"
    ),
    (
      ["merge", "a", "b", "--round", "stochastic"], "stochastic rounding needs a seed",
      "for example --round stochastic:1"
    ),
    (["merge", "a", "b", "--qlora", "nf5"], #"invalid value "nf5" for --qlora: only nf4 is supported"#, "write nf4"),
    (
      ["merge", "a", "b", "--qlora", "nf4:100"], "block size 100 does not exist in bitsandbytes",
      "block sizes are 32, 64"
    ),
    (["merge", "a", "b", "--requantized"], "unknown option --requantized for merge", "did you mean --requantize?"),
    (["merge", "a", "b", "--combine", "slerp"], #"invalid value "slerp" for --combine"#, "values: cat, linear, ties"),
    (
      ["merge", "a", "b", "--combine", "dare_tie"], #"invalid value "dare_tie" for --combine"#,
      "did you mean dare_ties?"
    ),
    (["merge", "a", "b", "--combine", "ties"], "--combine ties requires --density", "for example --density 0.5"),
    (["merge", "a", "b", "--jobs", "0"], #"invalid value "0" for --jobs: expected at least 1"#, nil),
    (["merge", "a", "b", "-j", "two"], #"invalid value "two" for -j: expected a whole number"#, nil),
    (["merge", "a", "b", "-o"], "-o needs a value", nil),
    (
      ["merge", "a", "b", "-o", "x", "--part", "-1/2"], #"--part needs a value, and "-1/2" begins like an option"#,
      "a value that begins with a dash is written --part=-1/2"
    ),
    (["merge", "a", "b", "-o", "x", "--part=-1/2"], #"invalid value "-1/2" for --part: expected I/N"#, "--part 3/16"),
    (
      ["merge", "a", "b", "-o", "x", "--finish", "--wait=-1"], #"invalid value "-1" for --wait: expected at least 0"#,
      nil
    ),
    (["merge", "a", "b", "--base-was", "nf4"], "unknown option --base-was for merge", "it is called --qlora"),
    (["merge", "a", "b", "--torch_dtype", "bf16"], "unknown option --torch_dtype for merge", "use --dtype"),
    (["merge", "a", "b", "--output-dir", "x"], "unknown option --output-dir for merge", "use --output (-o)"),
    (
      ["merge", "a", "b", "--max_shard_size", "5GB"], "unknown option --max_shard_size for merge",
      "did you mean --max-shard-size?"
    ),
    (["merge", "a", "b", "--sort", "name"], "unknown option --sort for merge", "it is an option of safemerge ls"),
    (
      ["merge", "a", "b", "--frobnicate"], "unknown option --frobnicate for merge",
      "all options: safemerge merge --help-all"
    ),
    (["merge", "a", "b", "-q", "-v"], "--quiet and --verbose exclude each other", nil),
    (["check", "x", "--adapter", "y"], "--adapter requires --against <base>", nil),
    (["ls"], "missing argument <path>", nil),
    (["ls", "--json", "--format", "tsv", "x"], "--json and --format tsv exclude", nil),
    (["ls", "--summary=3", "x"], #"--summary takes no value, "3" is given"#, nil),
    (["diff", "a"], "missing argument <right>", "safemerge diff ONE OTHER"),
    (["diff", "a", "b", "c", "d"], #"unexpected arguments "c", "d""#, "safemerge diff ONE OTHER"),
    (["completion", "tcsh"], #"invalid value "tcsh" for <shell>"#, nil),
  ]

  @Test(arguments: usage.indices) func wrongUsage(number: Int) throws {
    let (arguments, message, hint) = Self.usage[number]
    let scratch = try Scratch()
    let result = try Program.run(arguments, folder: scratch.path)
    #expect(result.status == 2, "\(arguments) \(result.messages)")
    let lines = result.messageLines
    #expect(lines.count <= 2 && lines.first?.hasPrefix("error: ") == true, "\(result.messages)")
    #expect(lines.first?.hasSuffix(" [usage]") == true && lines.first?.contains(message) == true, "\(result.messages)")
    if let hint {
      #expect(lines.last?.hasPrefix("  hint: ") == true && lines.last?.contains(hint) == true, "\(result.messages)")
    }
    #expect(try scratch.entries() == [])
  }

  /// What another command or tool calls so is never answered with the name of some other option.
  @Test(arguments: commands) func everyCommandHasTheCommonOptions(command: String) throws {
    let help = try Program.run([command, "--help"])
    let all = try Program.run([command, "--help-all"])
    #expect(help.status == 0 && all.status == 0 && all.errors == [])
    func options(_ result: Program.Result) -> Set<String> { Set(result.lines.filter { $0.hasPrefix("  -") }) }
    #expect(options(help).isSubset(of: options(all)) && all.lines.count >= help.lines.count)
    for option in ["--help-all", "--color"] + (command == "completion" ? [] : ["--json", "--format"]) {
      #expect(help.text.contains("  \(option)"), "\(option)")
    }
  }

  @Test func rareOptionsAreInTheLongHelp() throws {
    let help = try Program.run(["merge", "--help"]).text
    let all = try Program.run(["merge", "--help-all"]).text
    for title in ["OUTPUT:", "ADAPTERS:", "QUANTIZED BASES:", "CHECKS:", "RESOURCES:", "DISPLAY:"] {
      #expect(help.contains("\n\(title)\n"))
    }
    for option in ["--map", "--reflink", "--no-resume", "--svd-rank", "--include-file", "--mha-out-proj", "--round"] {
      #expect(!help.contains(option) && all.contains(option), "\(option)")
    }
    // Each list of values once.
    #expect(help.ranges(of: "dare_ties_svd").count == 1 && help.ranges(of: "bfloat16").count == 1)
  }

  /// With `--json`, standard output has the error as data, in every command.
  @Test(
    arguments: [
      (["merge", "/none", "/none", "-o", "/none/x"], 4, "not-found"), (["ls", "/none"], 4, "not-found"),
      (["check", "/none"], 4, "not-found"), (["diff", "/none", "/none"], 4, "not-found"),
      (["report", "/none"], 4, "not-found"), (["clean"], 2, "usage"), (["ls", "x", "--frobnicate"], 2, "usage"),
    ] as [([String], Int32, String)])
  func errorsAreData(arguments: [String], status: Int32, errorClass: String) throws {
    for option in [["--json"], ["--format", "json"], ["--format=json"]] {
      let result = try Program.run(arguments + option)
      #expect(result.status == status, "\(arguments) \(result.messages)")
      let event = try JSONParser.parse(Array((result.lines.first { $0.contains(#""event":"error""#) } ?? "").utf8).span)
      #expect(event["class"] == .string(errorClass) && event["exit"] == .integer(Int64(status)))
      guard case .string(let message)? = event["message"] else { return #expect(Bool(false)) }
      #expect(result.messageLines.first?.contains(message) == true)
    }
  }

  /// Colors are for terminals, unless they are asked for; the words are the same.
  @Test func colors() throws {
    for arguments in [["ls", "/none.safetensor"], ["ls", "--frobnicate", "x"]] {
      let plain = try Program.run(arguments)
      let colored = try Program.run(arguments + ["--color", "always"])
      #expect(rawControls(plain.messages) == [])
      #expect(colored.messages.hasPrefix("\u{1B}[1;31merror:\u{1B}[0m "))
      #expect(colored.messages.replacing(/\u{1B}\[[0-9;]*m/, with: "") == plain.messages)
    }
  }

  // MARK: Paths as other tools write them

  @Test(arguments: [
    ("https://huggingface.co/org/name", "pass the model ID: org/name"),
    ("https://huggingface.co/org/name/tree/v2", "pass the model ID: org/name@v2"),
    ("https://example.com/model", "safemerge opens no URLs; download the model and pass its folder"),
    ("org/name:main", "did you mean org/name@main? A revision is written ORG/NAME@REVISION"),
    ("my-adapter:0.5", "did you mean my-adapter=0.5? A weight is written ADAPTER=WEIGHT"),
  ])
  func spellingsOfOtherTools(path: String, hint: String) throws {
    for arguments in [["merge", Self.base, path, "-n"], ["ls", path]] {
      let message = expectRefusal(try Program.run(arguments), status: 4)
      #expect(message.contains("[not-found]") || message.contains("[not-cached]"))
      #expect(message.hasSuffix("\n  hint: \(hint)\n"), "\(message)")
    }
  }

  /// A local path in an adapter is not opened, and the hint is not to download it.
  @Test func anAdapterThatNamesALocalBase() throws {
    let scratch = try Scratch()
    let adapter = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter")
    _ = try copyOfFixture("bases/llama-bf16", in: scratch, as: "tiny-llama")
    let config = adapter + "/adapter_config.json"
    let text = try String(contentsOfFile: config, encoding: .utf8)
    for name in ["tiny-llama", "./tiny-llama"] {
      try Data(text.replacing("\"bases/llama-bf16\"", with: "\"\(name)\"").utf8).write(to: URL(fileURLWithPath: config))
      let message = expectRefusal(try Program.run(["merge", "adapter", "-n"], folder: scratch.path), status: 3)
      #expect(message.contains("names the local path \"\(name)\", which is never opened [base]"), "\(message)")
      #expect(message.hasSuffix("  hint: pass it first: safemerge merge \(name) ADAPTER -o OUTPUT\n"))
    }
  }

  // MARK: Outputs

  @Test func outputsThatAreNotReplaced() throws {
    let scratch = try Scratch()
    try scratch.write("x", to: "file")
    try scratch.write("x", to: "dir/notes.txt")
    for (output, message) in [
      ("file", "is a file, and the output is a folder [output-exists]\n  hint: remove it, or choose another name\n"),
      ("dir", "it holds \"notes.txt\" [output-exists]\n  hint: choose another name\n"),
    ] {
      for force in [[], ["--force"]] {
        let result = try Program.run(["merge", Self.base, Self.adapter, "-o", scratch.file(output)] + force)
        let text = expectRefusal(result, status: 5)
        #expect(text.hasSuffix(message), "\(text)")
      }
    }
    let parent = expectRefusal(
      try Program.run(["merge", Self.base, Self.adapter, "-o", scratch.file("no/x")]), status: 4)
    #expect(parent.hasSuffix("  hint: create it with: mkdir -p \(scratch.file("no"))\n"), "\(parent)")
  }

  // MARK: Inputs

  @Test func otherFilesAreNamed() throws {
    let scratch = try Scratch()
    try scratch.write("import torch\nprint(1)\n", to: "train.py")
    try scratch.write("GGUF\u{3}\0\0\0\0\0\0\0\0", to: "x.gguf")
    let script = expectRefusal(try Program.run(["ls", scratch.file("train.py")]), status: 3)
    #expect(script == "error: \(scratch.file("train.py")): not a safetensors file [format]\n")
    let gguf = expectRefusal(try Program.run(["ls", scratch.file("x.gguf")]), status: 3)
    #expect(gguf.contains("a GGUF file [format]\n  hint: GGUF is not supported; merge into the original"))
    _ = try scratch.folder("g")
    try scratch.write("GGUF", to: "g/x.gguf")
    let folder = expectRefusal(try Program.run(["merge", scratch.file("g"), Self.adapter, "-n"]), status: 3)
    #expect(folder.contains("it holds x.gguf [no-weights]\n  hint: GGUF is not supported"))
    _ = try scratch.folder("pickled")
    try scratch.write("x", to: "pickled/data.pt")
    #expect(
      expectRefusal(try Program.run(["ls", scratch.file("pickled")]), status: 3).contains("data.pt is a Python pickle"))
    _ = try copyOfFixture("bases/llama-bf16", in: scratch, as: "pickled/model")
    let models = expectRefusal(try Program.run(["ls", scratch.file("pickled")]), status: 3)
    #expect(models.hasSuffix("  hint: models in it: \(scratch.file("pickled/model"))\n"), "\(models)")
    let other = expectRefusal(try Program.run(["merge", Self.base, scratch.file("pickled"), "-n"]), status: 3)
    #expect(
      other.hasSuffix("so it is not a PEFT adapter [not-found]\n  hint: the folder holds data.pt, model\n"), "\(other)")
  }

  // MARK: ArgumentParser's messages

  /// What ArgumentParser says today; a release that words them otherwise is noticed here.
  @Test func messagesOfTheParserAreRead() {
    #expect(ParserMessage("Unknown option '--jsn'. Did you mean '--json'?") == .unknownOption("--jsn"))
    #expect(
      ParserMessage("The value 'a' is invalid for '--dtype <dtype>'. Please provide one of 'x' and 'y'.")
        == .invalidValue("a", argument: "--dtype", reason: nil))
    #expect(
      ParserMessage("The value 'it's' is invalid for '<shell>': why")
        == .invalidValue("it's", argument: "<shell>", reason: "why"))
    #expect(ParserMessage("Missing value for '-o <path>'") == .missingValue("-o"))
    #expect(ParserMessage("Missing expected argument '<base>'") == .missingArgument("<base>"))
    #expect(ParserMessage("Unexpected argument 'c'") == .unexpected(["c"]))
    #expect(ParserMessage("2 unexpected arguments: 'c', 'd'") == .unexpected(["c", "d"]))
    #expect(
      ParserMessage("The option '--json' does not take any value, but 'x' was specified.")
        == .valueOfFlag("--json", value: "x"))
    #expect(ParserMessage("Something else.") == .other("something else"))
  }
}
