import CSystem
import Checkpoints
import Platform

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Signal handling of this program.
enum Signals {
  /// A closed standard output and a file size limit become errors of single calls, truncation of a mapped file becomes
  /// an ordinary error, and termination signals are noticed by the work.
  static func prepareForMerge() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    csg_catch_bus_errors(busLine, ExitStatus.inputOutput)
    csg_watch()
  }

  private static let busLine =
    "error: a file was truncated or became unreadable while it was being read [changed]\n"

  /// Makes termination signals end the process at once, while nothing is written that another run could use.
  ///
  /// - Parameters:
  ///   - paths: Files, and folders that are then empty, to remove first.
  ///   - line: The message on standard error.
  ///   - events: Whether to write an event as well.
  static func endAtOnce(removing paths: [String] = [], saying line: String = nothingWritten, events: Bool) {
    csg_end_at_once(0)
    csg_set_ending("safemerge: \(line)\n")
    for number in [SIGINT, SIGTERM, SIGHUP] {
      let event = #"{"event":"interrupted","signal":\#(number),"kept":null,"exit":\#(128 + number)}"#
      csg_set_ending_event(number, events ? event + "\n" : "")
    }
    // Paths that do not fit are left to the next run.
    for path in paths { _ = csg_remove_at_end(path) }
    csg_end_at_once(1)
  }

  static let nothingWritten = "interrupted; nothing was written"

  /// Makes the work notice termination signals at its next safe point.
  static func remember() { csg_end_at_once(0) }

  /// Asks the work to stop after a signal.
  static let interruption = Interruption { csg_received() != 0 }

  /// The termination signal that was received; nil if there was none.
  static var received: Int32? {
    let number = csg_received()
    return number == 0 ? nil : number
  }

  /// Ends the process by the received signal; returns if there was none.
  static func endIfAsked() {
    if let received { end(by: received) }
  }

  /// Ends the process as the signal would.
  static func end(by number: Int32) -> Never { csg_end_by(number) }
}
