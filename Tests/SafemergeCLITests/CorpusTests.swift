import JSONText
import TestSupport
import Testing

/// The corpus of malformed and odd files, given to the program.
@Suite struct CorpusTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let verdict: String
    let errorClass: String
    var path: String { fixturesPath() + "/corpus/\(name).safetensors" }
    var testDescription: String { name }
  }

  static let cases: [Case] = {
    guard let text = try? contents(fixturesPath() + "/corpus/oracle.json"),
      case .object(let members) = try? JSONParser.parse(text.span)["cases"]
    else { return [] }
    return members.map { member in
      func string(_ key: String) -> String {
        if case .string(let value) = member.value[key] { value } else { "" }
      }
      return Case(name: member.key, verdict: string("verdict"), errorClass: string("class"))
    }
  }()

  @Test func isComplete() {
    #expect(Self.cases.count { $0.verdict == "reject" } == 156)
    #expect(Self.cases.count { $0.verdict == "accept" } == 64)
  }

  @Test(arguments: cases.filter { $0.verdict == "reject" }) func isRefusedByListAndMerge(_ testCase: Case) throws {
    let listing = expectRefusal(try Program.run(["ls", testCase.path]), status: 3)
    #expect(listing.hasPrefix("error: \(testCase.path): "))
    #expect(listing.contains("[\(testCase.errorClass)]\n"), "\(listing)")
    let scratch = try Scratch()
    let output = scratch.file("merged.safetensors")
    let result = try Program.run(["merge", testCase.path, adapterPath("linear-f32"), "-o", output])
    #expect(expectRefusal(result, status: 3) == listing)
    #expect(try scratch.entries() == [])
  }

  /// Refused files among others: each is reported, the rest is listed, the exit code says so.
  @Test func manyPathsAtOnce() throws {
    let rejected = Self.cases.filter { $0.verdict == "reject" }
    let accepted = Self.cases.filter { $0.verdict == "accept" }
    let result = try Program.run(["ls", "--format", "names"] + (rejected + accepted).map(\.path))
    #expect(result.status == 3)
    let hints = result.messageLines.filter { $0.hasPrefix("  hint: ") }
    #expect(result.messageLines.count { $0.hasPrefix("error: ") } == rejected.count)
    #expect(result.messageLines.count == rejected.count + hints.count)
    #expect(result.lines.count >= accepted.count / 2)
  }

  @Test(arguments: ["table", "json", "tsv", "names"]) func acceptedFilesAreListed(format: String) throws {
    let accepted = Self.cases.filter { $0.verdict == "accept" }
    let result = try Program.run(["ls", "--format", format] + accepted.map(\.path))
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.errors == [])
    #expect(!result.output.isEmpty)
    // Tabs separate the fields of one format; nothing else that a terminal acts on comes out.
    let text = format == "tsv" ? result.text.replacing("\t", with: " ") : result.text
    #expect(rawControls(text) == [])
  }

  @Test func eachAcceptedFileIsSummed() throws {
    let accepted = Self.cases.filter { $0.verdict == "accept" }
    let result = try Program.run(["ls", "--summary"] + accepted.map(\.path))
    #expect(result.status == 0)
    #expect(rawControls(result.text) == [])
    #expect(result.lines.count { !$0.hasPrefix(" ") } == accepted.count)
  }
}
