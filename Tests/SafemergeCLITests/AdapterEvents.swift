import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// The events of a command that writes an adapter, each checked against docs/json.schema.json.
struct AdapterEvents {
  private static let lastEvents = ["adapter_done", "error", "interrupted"]
  let all: [JSONValue]

  init(_ result: Program.Result, location: SourceLocation = #_sourceLocation) throws {
    let schema = try JSONSchema(path: fixturesPath() + "/../docs/json.schema.json")
    let events = try result.lines.map { line in
      let bytes = Array(line.utf8)
      let event = try JSONParser.parse(bytes.span)
      #expect(schema.problems(event) == [], "\(line.prefix(300))", sourceLocation: location)
      return event
    }
    all = events
    #expect(result.output.last == UInt8(ascii: "\n"), sourceLocation: location)
    #expect(Self.name(events.first) == "start", sourceLocation: location)
    let ends = events.indices.filter { Self.lastEvents.contains(Self.name(events[$0])) }
    #expect(ends == [events.count - 1], "\(result.text)", sourceLocation: location)
    #expect(rawControls(result.text) == [], sourceLocation: location)
  }

  private static func name(_ event: JSONValue?) -> String { text(event?["event"]) ?? "" }

  /// The names of the events, in their order.
  var names: [String] { all.map(Self.name) }

  /// The events with a name.
  func named(_ name: String) -> [JSONValue] { all.filter { Self.name($0) == name } }

  /// The only event with a name.
  func one(_ name: String) throws -> JSONValue {
    let found = named(name)
    try #require(found.count == 1, "\(names)")
    return found[0]
  }

  static func text(_ value: JSONValue?) -> String? { if case .string(let text)? = value { text } else { nil } }

  static func number(_ value: JSONValue?) -> Double? {
    switch value {
    case .integer(let number)?: Double(number)
    case .real(let number)?: number
    default: nil
    }
  }

  static func list(_ value: JSONValue?) -> [JSONValue] { if case .array(let values)? = value { values } else { [] } }

  /// Expects that the events of a run that wrote an adapter agree with each other and with what stands on disk.
  ///
  /// - Parameters:
  ///   - command: The command's name.
  ///   - output: The adapter, a folder or a file.
  func expectSums(
    of command: String, _ output: String, location: SourceLocation = #_sourceLocation
  ) throws {
    let (plan, done) = (try one("adapter_plan"), try one("adapter_done"))
    #expect(all.first?["command"] == .string(command), sourceLocation: location)
    for event in [plan, done] {
      #expect(event["dry_run"] == .bool(false) && event["output"] == .string(output), sourceLocation: location)
    }
    let made = named("module")
    let total = Double(made.count)
    #expect(Self.number(plan["modules"]) == total, sourceLocation: location)
    #expect(Self.number(done["modules"]) == total, sourceLocation: location)
    #expect(Set(made.map { Self.text($0["name"]) }).count == made.count, sourceLocation: location)
    #expect(
      made.map { Self.number($0["modules_done"]) } == (0..<made.count).map { Double($0 + 1) }, sourceLocation: location)
    #expect(made.allSatisfy { Self.number($0["modules_total"]) == total }, sourceLocation: location)
    let shares = made.compactMap { Self.number($0["share_done"]) }
    #expect(shares.count == made.count && zip(shares, shares.dropFirst()).allSatisfy(<), sourceLocation: location)
    #expect(made.isEmpty || shares.last == 1, sourceLocation: location)
    let kept = made.count { $0["kept"] == .bool(true) }
    #expect(done["modules_kept"] == .integer(Int64(kept)), sourceLocation: location)
    let isFile = output.hasSuffix(".safetensors")
    let sizes = isFile ? [try contents(output).count] : try tree(output).values.map { $0.count }
    #expect(done["bytes"] == .integer(Int64(sizes.reduce(0, +))), sourceLocation: location)
    #expect(done["tensors"] == .integer(Int64(try readTensors(output).count)), sourceLocation: location)
    #expect((Self.number(done["peak_memory"]) ?? 0) > 1_048_576, sourceLocation: location)
  }

  /// Expects that a refusal is one event with what stands on standard error.
  func expectRefusal(_ result: Program.Result, class errorClass: String, location: SourceLocation = #_sourceLocation)
    throws
  {
    let error = try one("error")
    #expect(Self.text(error["class"]) == errorClass, "\(result.messages)", sourceLocation: location)
    #expect(error["exit"] == .integer(Int64(result.status)), sourceLocation: location)
    let lines = result.messageLines.filter { !$0.hasPrefix("warning: ") }
    let (message, hint) = (Self.text(error["message"]) ?? "-", Self.text(error["hint"]))
    #expect(lines.first?.hasSuffix("\(message) [\(errorClass)]") == true, "\(lines)", sourceLocation: location)
    #expect(Array(lines.dropFirst()) == (hint.map { ["  hint: \($0)"] } ?? []), sourceLocation: location)
  }
}
