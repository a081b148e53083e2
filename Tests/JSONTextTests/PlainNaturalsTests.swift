import JSONText
import Testing

/// Arrays of naturals that are read without jansson are read as jansson reads them.
@Suite struct PlainNaturalsTests {
  private func plain(_ text: String) -> [UInt64]? {
    let bytes = Array(text.utf8)
    var numbers: [UInt64] = []
    return PlainNaturals.read(bytes.span, 0..<bytes.count, { numbers.append($0) }) ? numbers : nil
  }

  private func parsed(_ text: String) throws -> [UInt64]? {
    let bytes = Array(text.utf8)
    return try JSONTree.naturals(bytes.span, range: 0..<bytes.count)
  }

  @Test(arguments: [
    "[]", "[ ]", "[0]", "[4096,14336]", "[ 1 ,\t2,\r\n3 ]", "[0,0]", "[123456789012345678]", "[10,20,30,40,50,60]",
  ])
  func usualSpellingsNeedNoTree(_ text: String) throws {
    let numbers = try #require(plain(text))
    #expect(numbers == (try parsed(text)))
  }

  @Test(arguments: [
    "", "[", "]", "1", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1 2]", "[01]", "[00]", "[-1]", "[-0]", "[+1]", "[1.0]",
    "[1e2]", "[1234567890123456789]", "[18446744073709551615]", "[null]", "[\"1\"]", "[[1]]", "[1]]", "[1],", "{}",
    "[1\u{b}]",
  ])
  func everythingElseIsLeftToTheParser(_ text: String) { #expect(plain(text) == nil) }

  /// Short texts of the characters that such arrays are made of: what is read as plain, jansson reads as the same.
  @Test func nothingIsReadOtherwise() throws {
    let characters = Array("[],0123456789 -.e\t")
    var state: UInt64 = 0x5EED
    var plainCount = 0
    for _ in 0..<20_000 {
      var text = "["
      for _ in 0..<6 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        text.append(characters[Int(state >> 33) % characters.count])
      }
      text += "]"
      guard let numbers = plain(text) else { continue }
      plainCount += 1
      #expect(numbers == (try parsed(text)), "\(text)")
    }
    #expect(plainCount > 100)
  }
}
