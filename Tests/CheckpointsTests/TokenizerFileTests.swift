import TestSupport
import Testing

@testable import Checkpoints

@Suite struct TokenizerFileTests {
  @Test(
    arguments: [
      (#"{"model": {"type": "BPE", "vocab": {"a": 0, "b": 7}}, "added_tokens": []}"#, 8),
      (#"{"added_tokens": [{"id": 9, "content": "<x>"}], "model": {"vocab": {"a": 0}}}"#, 10),
      (#"{"model": {"type": "Unigram", "vocab": [["a", 0.5], ["b", -1e3]]}}"#, 2),
      (#"{"model": {"vocab": {}}}"#, nil), (#"{"model": {}}"#, nil), ("{}", nil), ("[]", nil), ("not json", nil),
    ] as [(String, Int?)])
  func countsTheRowsThatTheTokensNeed(text: String, expected: Int?) throws {
    let scratch = try Scratch()
    try scratch.write(text, to: "tokenizer.json")
    #expect(TokenizerFile.tokenCount(scratch.file("tokenizer.json")) == expected)
  }

  @Test func noFileIsNoCount() throws {
    #expect(TokenizerFile.tokenCount(try Scratch().file("tokenizer.json")) == nil)
  }
}
