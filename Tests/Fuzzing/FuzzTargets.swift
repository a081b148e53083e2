import Foundation
import JSONText
import Platform

@testable import Adapters
@testable import Checkpoints
@testable import Safetensors

/// What libFuzzer runs: `SAFEMERGE_FUZZ_TARGET` names a parser, which is given the bytes. Whatever a parser throws is fine; a
/// trap, a report of the sanitizers, a broken invariant and slowness are not. `.ci/nightly/fuzz` builds and runs this.
enum FuzzTarget: String, CaseIterable {
  case header, index, config, keys, pattern, editor, tokenizer

  /// A bug: libFuzzer keeps the input that led here.
  static func fail(_ what: String) -> Never { fatalError("invariant broken: \(what)") }

  func run(_ bytes: [UInt8]) {
    switch self {
    case .header: Self.header(bytes)
    case .index: Self.index(bytes)
    case .config: Self.config(bytes)
    case .keys: Self.keys(bytes)
    case .pattern: Self.pattern(bytes)
    case .editor: Self.editor(bytes)
    case .tokenizer: Self.tokenizer(bytes)
    }
  }

  /// A file: its length field is believed as far as there are bytes, so that few inputs are refused for it.
  private static func header(_ bytes: [UInt8]) {
    guard bytes.count >= 8 else { return }
    let length = bytes[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let end = 8 + Int(min(length, UInt64(bytes.count - 8)))
    var parser = HeaderParser(path: "")
    do throws(SafetensorsError) {
      try parser.parse(bytes[8..<end].span, fileByteCount: bytes.count)
    } catch {
      checkReport(error)
      return
    }
    var expectedBegin = 0
    var names: Set<TensorName> = []
    for tensor in parser.table {
      guard tensor.dataOffsets.lowerBound == expectedBegin else { fail("a hole or an overlap") }
      expectedBegin = tensor.dataOffsets.upperBound
      let (bits, overflow) = tensor.elementCount.multipliedReportingOverflow(by: tensor.dtype.bitCount)
      guard !overflow, bits == tensor.byteCount * 8 else { fail("a shape that does not fill its bytes") }
      guard names.insert(tensor.name).inserted else { fail("a name that stands twice") }
    }
    guard expectedBegin == bytes.count - end else { fail("bytes that no tensor covers") }
  }

  private static func index(_ bytes: [UInt8]) {
    let index: CheckpointIndex
    do throws(CheckpointError) { index = try CheckpointIndex(bytes.span, path: "") } catch {
      checkReport(error)
      return
    }
    guard !index.weightMap.isEmpty else { fail("an empty weight_map") }
    for name in index.shardNames {
      guard !name.isEmpty, !name.hasPrefix("/"), !name.contains("\\"), !name.utf8.contains(0),
        !name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).contains(where: {
          $0.isEmpty || Array($0) == [0x2E] || Array($0) == [0x2E, 0x2E]
        })
      else { fail("a shard outside the folder") }
    }
    for entry in index.weightMap where !index.shardNames.indices.contains(entry.shard) { fail("a shard without name") }
  }

  private static func config(_ bytes: [UInt8]) {
    guard let json = try? JSONParser.parse(bytes.span) else { return }
    do throws(AdapterError) {
      let config = try AdapterConfig(json, path: "")
      guard let lora = config.lora else { return }
      let ranks = lora.ranks
      guard ranks.rank >= 1, ranks.alpha.isFinite, lora.scaling(rank: ranks.rank, alpha: ranks.alpha).isFinite
      else { fail("a rank or an alpha out of range") }
      guard ranks.rankPattern.values.allSatisfy({ $0 >= 1 }), ranks.alphaPattern.values.allSatisfy(\.isFinite)
      else { fail("a pattern's value out of range") }
      for path in ["model.layers.0.self_attn.q_proj", "q_proj", ""] {
        var budget = MatchBudget(1_000_000)
        _ = try? ranks.rankPattern.firstMatch(path, budget: &budget)
        _ = try? ranks.alphaPattern.firstMatch(path, budget: &budget)
      }
    } catch { checkReport(error) }
  }

  /// A key a line.
  private static func keys(_ bytes: [UInt8]) {
    let dialect = KeyDialect.peft(LoRA.self)
    for line in bytes.split(separator: 0x0A) {
      let name = TensorName(String(decoding: line, as: UTF8.self))
      let key: AdapterKey
      do throws(AdapterError.Problem) { key = try AdapterKey(name, dialect) } catch {
        checkReport(AdapterError(path: "", error, tensor: name))
        continue
      }
      guard !key.module.string.isEmpty, key.depth >= 0 else { fail("a key without module") }
      guard let again = try? AdapterKey(TensorName(key.name(of: key.role)), dialect) else {
        switch key.role {
        case .plain, .baseLayer, .savedCopy, .original: continue
        default: fail("a key whose usual spelling is not a key")
        }
      }
      switch key.role {
      case .plain, .baseLayer, .savedCopy, .original: break
      default: guard again.role == key.role, again.path == key.path else { fail("a key that reads back otherwise") }
      }
    }
  }

  /// A key of rank_pattern in the first line, module paths in the others. The tree of literal keys and the automaton must agree.
  private static func pattern(_ bytes: [UInt8]) {
    let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
    guard let key = lines.first else { return }
    var budget = MatchBudget(1_000_000)
    do throws(PatternProblem) {
      let pattern = try PythonPattern(key: key)
      guard pattern.size <= PythonPattern.sizeLimit else { fail("a pattern larger than its limit") }
      var tree: LiteralPatterns?
      if let scalars = LiteralPatterns.scalars(of: key) {
        tree = LiteralPatterns()
        tree?.insert(scalars, index: 0)
      }
      for line in lines.dropFirst() {
        let path = line.unicodeScalars.map(\.value)
        let hit = try pattern.matches(path, budget: &budget)
        if let tree, try (tree.firstMatch(path, budget: &budget) != nil) != hit { fail("tree and automaton differ") }
      }
    } catch { checkReport(AdapterError(path: "", .pattern(field: "rank_pattern", key: key, error))) }
  }

  /// A config.json: whatever is edited, the result can be read and has the edited values.
  private static func editor(_ bytes: [UInt8]) {
    guard let original = try? JSONEditor(bytes) else { return }
    for key in ["dtype", "vocab_size", "a", ""] {
      var editor = original
      guard (try? editor.set(key, to: "7")) != nil, let json = try? JSONParser.parseLenient(editor.bytes.span),
        json[key] == .integer(7)
      else { fail("a value that was set is not there") }
      guard (try? editor.remove(key)) == true, let rest = try? JSONParser.parseLenient(editor.bytes.span),
        rest[key] == nil
      else { fail("a value that was removed is there") }
      for path in (try? original.paths(to: key)) ?? [] {
        var edited = original
        guard (try? edited.replace(path, with: "null")) == true,
          (try? JSONParser.parseLenient(edited.bytes.span)) != nil
        else { fail("a path that leads nowhere") }
      }
    }
  }

  private static func tokenizer(_ bytes: [UInt8]) {
    guard let highest = try? TokenizerFile.highestID(bytes.span) else { return }
    _ = highest.addingReportingOverflow(1)
  }

  /// Every refusal is one printable line of a known class.
  private static func checkReport(_ error: some ReportableError) {
    guard !error.errorClass.isEmpty, !error.message.isEmpty else { fail("an error without words") }
    let line = ([error.description, error.hint].compactMap { $0 }).joined().escapingUnprintable
    guard !line.unicodeScalars.contains(where: \.isUnprintable) else { fail("a message that is not printable") }
  }
}

private let target: FuzzTarget = {
  for target in FuzzTarget.allCases
  where ProcessInfo.processInfo.environment["SAFEMERGE_FUZZ_TARGET"] == target.rawValue { return target }
  fatalError("SAFEMERGE_FUZZ_TARGET is none of \(FuzzTarget.allCases.map(\.rawValue))")
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func runOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  target.run(Array(UnsafeBufferPointer(start: start, count: count)))
  return 0
}
