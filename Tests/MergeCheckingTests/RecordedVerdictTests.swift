import JSONText
import Safetensors
import Testing

@testable import Inspection
@testable import MergeChecking

/// What a part of a check records about a tensor is read as it was written.
@Suite struct RecordedVerdictTests {
  private func result(
    _ verdict: MergeCheck.Verdict, without: MergeCheck.Verdict? = nil, _ comparison: TensorComparison? = nil
  ) -> MergeCheck.TensorResult {
    MergeCheck.TensorResult(
      name: "w", file: "f", dtype: .bf16, shape: [1], isMerged: true, verdict: verdict, verdictWithoutBits: without,
      comparison: comparison)
  }

  /// The result after a record of another one was taken over, through text.
  private func taken(_ result: MergeCheck.TensorResult) throws -> MergeCheck.TensorResult? {
    var writer = JSONWriter()
    writer.value(result.recorded)
    let value = try JSONParser.parse(writer.bytes.span)
    var other = self.result(.same)
    return other.take(value) ? other : nil
  }

  @Test func everyVerdict() throws {
    let verdicts: [MergeCheck.Verdict] =
      [
        .same, .exact, .rounded, .roundedByPEFT("as PEFT 0.21.2 does"), .roundedSeveralTimes, .damaged(count: 3),
        .different, .notChecked("\"why\""), .fault(.adapterDropped(2)),
      ] + Fault.withoutNumber.map { .fault($0) }
    for verdict in verdicts {
      #expect(try taken(result(verdict))?.verdict == verdict)
      let other = try taken(result(.exact, without: verdict))
      #expect(other?.verdict == .exact && other?.verdictWithoutBits == verdict)
    }
    // All faults but one have no number, and no two are written alike.
    #expect(Set(Fault.withoutNumber.map { "\($0)" }).count == Fault.withoutNumber.count)
    #expect(Fault.withoutNumber.count == 19)
  }

  @Test(arguments: [1.5, .nan, -.infinity, 0.1]) func everyNumber(number: Double) throws {
    var comparison = TensorComparison()
    comparison.elementCount = 10
    comparison.otherwiseRounded = 1
    comparison.cancelled = 2
    comparison.beyondBound = 3
    comparison.beyondOneUlp = 4
    comparison.worstError = 1.0 / 3
    comparison.otherBits = nil
    comparison.keepExample(row: 5, column: 6, found: number, exact: 0.1, isBeyond: true, false)
    let found = try #require(try taken(result(.different, comparison))?.comparison)
    #expect(found.elementCount == 10 && found.otherwiseRounded == 1 && found.cancelled == 2)
    #expect(found.beyondBound == 3 && found.beyondOneUlp == 4 && found.worstError == 1.0 / 3 && found.otherBits == nil)
    let example = try #require(found.example)
    #expect(example.row == 5 && example.column == 6 && example.exact == 0.1)
    #expect(example.found == number || example.found.isNaN && number.isNaN)
    comparison.otherBits = 7
    #expect(try taken(result(.different, comparison))?.comparison?.otherBits == 7)
  }

  @Test func whatIsNoRecordIsRefused() throws {
    for text in [
      "{}", #"{"verdict":["unknown"]}"#, #"{"verdict":["fault","adapterDropped"]}"#, #"{"verdict":["damaged"]}"#,
      #"{"verdict":["exact"],"comparison":{}}"#, #"{"verdict":["exact"],"without_bits":[]}"#, "[]",
    ] {
      let value = try JSONParser.parse(Array(text.utf8).span)
      var other = result(.same)
      let isTaken = other.take(value)
      #expect(!isTaken, "\(text)")
    }
  }
}
