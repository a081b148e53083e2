import JSONText
import Synchronization

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// The events of commands with `--json` that write a model or an adapter: lines of JSON on standard output, described by
/// docs/json.schema.json.
///
/// The first event is `start`, the last one `done`, `adapter_done`, `error` or `interrupted`. A reader that closes the pipe does not
/// end a merge: further events are dropped. The other commands write a document, and before it an `error` event for
/// each error.
final class EventStream: Sendable {
  /// The version of the events' keys.
  static let schema = 1

  /// The stream of this process; silent until ``begin()``.
  static let standard = EventStream()

  private struct State {
    var isOn = false
    /// Whether only errors are written.
    var isForErrors = false
    var hasEnded = false
    /// The errno of the first write that failed.
    var failure: Int32 = 0
  }

  private let state = Mutex(State())

  var isOn: Bool { state.withLock { $0.isOn } }

  /// Turns the stream on and writes the first event; does nothing if it is already on.
  ///
  /// - Parameter command: The name of the command that runs.
  func begin(command: String) {
    let isFirst = state.withLock { state in
      defer { state.isOn = true }
      return !state.isOn
    }
    guard isFirst else { return }
    send("start") { event in
      event.key("schema")
      event.value(Self.schema)
      event.member("program", Safemerge.version)
      event.member("command", command)
    }
  }

  /// Turns the stream on for the errors of a command that writes a document.
  func beginErrors() {
    state.withLock { state in
      state.isOn = true
      state.isForErrors = true
    }
  }

  /// Writes one event atomically; does nothing while the stream is off.
  ///
  /// - Parameters:
  ///   - isLast: Whether no event follows; of several last events only the first is written.
  ///   - members: Writes the members after `event`.
  func send(_ name: String, isLast: Bool = false, _ members: (inout JSONWriter) -> Void) {
    state.withLock { state in
      guard state.isOn, !state.hasEnded, state.failure == 0, !state.isForErrors || name == "error" else { return }
      state.hasEnded = isLast && !state.isForErrors
      var writer = JSONWriter(escapesUnprintable: true)
      writer.beginObject()
      writer.member("event", name)
      members(&writer)
      writer.end()
      state.failure = StandardStreams.write(writer.bytes + [UInt8(ascii: "\n")], to: STDOUT_FILENO)
    }
  }

  /// - Throws: If an event could not be written, unless the reader closed the pipe.
  func check() throws(StandardOutput.Failure) {
    let code = state.withLock { $0.failure }
    if code != 0, code != EPIPE { throw StandardOutput.Failure(code: code) }
  }
}
