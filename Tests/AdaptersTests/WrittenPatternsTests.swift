import Adapters
import TestSupport
import Testing

/// The keys of `rank_pattern` and `alpha_pattern` that are written give each module its own value when they are read.
@Suite struct WrittenPatternsTests {
  private func keys(_ modules: [(path: String, value: Int)], common: Int) -> [String] {
    WrittenPatterns.entries(modules, common: common).map { "\($0.key)=\($0.value)" }
  }

  @Test func onlyModulesWithAnotherValueHaveAKey() {
    #expect(keys([("a.q", 4), ("a.k", 8), ("b.q", 4)], common: 4) == ["a.k=8"])
    #expect(keys([("a.q", 4), ("b.q", 4)], common: 4) == [])
  }

  @Test func aModuleThatAShorterKeyFitsHasAKeyBeforeIt() {
    let modules = [("proj_out", 8), ("blocks.0.proj_out", 4), ("blocks.0.xproj_out", 4), ("blocks.1.proj_out", 2)]
    #expect(keys(modules, common: 4) == ["blocks.0.proj_out=4", "blocks.1.proj_out=2", "proj_out=8"])
  }

  @Test func whatIsNotPlainIsEscapedAndTheFirstOfOnePathCounts() {
    #expect(keys([("a.b+c", 8), ("a.b+c", 9), ("d", 4)], common: 4) == ["a.b\\+c=8"])
  }
}
