import JSONText
import Synchronization

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// The events of `merge --json`: lines of JSON on standard output, of which docs/json.schema.json says what they hold.
///
/// The first event is `start`, the last one `done`, `error` or `interrupted`. A reader that goes away does not end a merge:
/// what it would have read is dropped.
final class EventStream: Sendable {
  /// The version of the events' keys.
  static let schema = 1

  /// The one of this process; silent until ``begin()``.
  static let standard = EventStream()

  private struct State {
    var isOn = false
    var hasEnded = false
    /// The errno of the first write that failed.
    var failure: Int32 = 0
  }

  private let state = Mutex(State())

  var isOn: Bool { state.withLock { $0.isOn } }

  /// Turns the stream on and says what program this is; nothing if it is on already.
  func begin() {
    let isFirst = state.withLock { state in
      defer { state.isOn = true }
      return !state.isOn
    }
    guard isFirst else { return }
    send("start") { event in
      event.key("schema")
      event.value(Self.schema)
      event.member("program", Safemerge.version)
      event.member("command", "merge")
    }
  }

  /// Writes one event, whole or not at all; nothing while the stream is off.
  ///
  /// - Parameters:
  ///   - isLast: Whether nothing comes behind it; of several last events only the first is written.
  ///   - members: Writes the members behind `event`.
  func send(_ name: String, isLast: Bool = false, _ members: (inout JSONWriter) -> Void) {
    state.withLock { state in
      guard state.isOn, !state.hasEnded, state.failure == 0 else { return }
      state.hasEnded = isLast
      var writer = JSONWriter(escapesUnprintable: true)
      writer.beginObject()
      writer.member("event", name)
      members(&writer)
      writer.end()
      state.failure = StandardStreams.write(writer.bytes + [UInt8(ascii: "\n")], to: STDOUT_FILENO)
    }
  }

  /// - Throws: If an event could not be written, and not because nobody reads them.
  func check() throws(StandardOutput.Failure) {
    let code = state.withLock { $0.failure }
    if code != 0, code != EPIPE { throw StandardOutput.Failure(code: code) }
  }
}
