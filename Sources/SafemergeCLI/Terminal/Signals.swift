import CSystem
import Checkpoints
import Platform

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// What signals do to this program.
enum Signals {
  /// A closed standard output and a file size limit are errors of single calls, a file that is cut under a mapping is an
  /// error like any other, and requests to end are noticed by the work.
  static func prepareForMerge() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    csg_catch_bus_errors(busLine, ExitStatus.inputOutput)
    csg_watch()
  }

  private static let busLine =
    "safemerge: error: a file was cut, or could not be read, while it was mapped [changed]\n"

  /// Has requests to end do so at once, wherever the work is, while nothing is written that another run could use.
  ///
  /// - Parameters:
  ///   - paths: What is removed before: files, and folders that are empty then.
  ///   - line: What is said on standard error.
  ///   - events: Whether it is an event as well.
  static func endAtOnce(removing paths: [String] = [], saying line: String = nothingWritten, events: Bool) {
    csg_end_at_once(0)
    csg_set_ending("safemerge: \(line)\n")
    for number in [SIGINT, SIGTERM, SIGHUP] {
      let event = #"{"event":"interrupted","signal":\#(number),"kept":null,"exit":\#(128 + number)}"#
      csg_set_ending_event(number, events ? event + "\n" : "")
    }
    // What does not fit stays for the next run.
    for path in paths { _ = csg_remove_at_end(path) }
    csg_end_at_once(1)
  }

  static let nothingWritten = "interrupted; nothing was written"

  /// Has the work notice requests to end at its next good place.
  static func remember() { csg_end_at_once(0) }

  /// Asks for an end once a signal did.
  static let interruption = Interruption { csg_received() != 0 }

  /// The signal that asked for the end; nil: none did.
  static var received: Int32? {
    let number = csg_received()
    return number == 0 ? nil : number
  }

  /// Ends the process by the signal that asked for it; comes back if none did.
  static func endIfAsked() {
    if let received { end(by: received) }
  }

  /// Ends the process as the signal would.
  static func end(by number: Int32) -> Never { csg_end_by(number) }
}
