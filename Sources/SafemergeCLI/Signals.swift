import CSignals
import Checkpoints

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
