import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

/// The corpus of malformed and odd files: each file's verdict and error class are in its `oracle.json`.
@Suite struct CorpusTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let verdict: String
    let errorClass: String?
    var testDescription: String { name }
  }

  static let cases: [Case] = {
    guard let text = try? contents(fixturesPath() + "/corpus/oracle.json"),
      case .object(let members) = try? JSONParser.parse(text.span)["cases"]
    else { return [] }
    return members.map { member in
      func string(_ key: String) -> String? {
        if case .string(let value) = member.value[key] { value } else { nil }
      }
      return Case(name: member.key, verdict: string("verdict") ?? "", errorClass: string("class"))
    }
  }()

  @Test func isComplete() { #expect(Self.cases.count == 221) }

  @Test(arguments: cases) func hasTheVerdictOfTheOracle(_ testCase: Case) throws {
    let path = fixturesPath() + "/corpus/\(testCase.name).safetensors"
    do throws(SafetensorsError) {
      _ = try SafetensorsHeader(path: path)
      #expect(testCase.verdict != "reject", "accepted, but the verdict is \(testCase.errorClass ?? "")")
    } catch {
      #expect(testCase.verdict != "accept", "refused: \(error)")
      #expect(error.errorClass == testCase.errorClass, "\(error)")
      #expect(error.description.hasPrefix(path + ": "))
    }
  }
}
