import CSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The machine, and this process on it.
package enum Machine {
  /// The processors that are there for threads.
  package static let processorCount = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))

  /// Bytes of the machine's memory.
  package static let physicalMemoryByteCount = max(0, sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)))

  /// Lets this thread wait; a signal may end it early.
  package static func sleep(milliseconds: Int) {
    var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
    _ = unsafe nanosleep(&time, nil)
  }

  /// The clock's time.
  package static var secondsSince1970: Int { Int(time(nil)) }

  package static var userID: UInt32 { UInt32(geteuid()) }
  package static var processID: Int32 { getpid() }

  /// Whether a process of this machine has the number.
  package static func isAlive(_ process: Int32) -> Bool { kill(process, 0) == 0 || errno == EPERM }

  /// When a process of this machine started, in ticks since the machine did; empty if the system does not say.
  ///
  /// With the number of the process it tells it from a later one that has the same number.
  package static func start(ofProcess process: Int32) -> String {
    guard let descriptor = try? SystemCalls.openForReading("/proc/\(process)/stat") else { return "" }
    defer { try? SystemCalls.close(descriptor) }
    guard let bytes = try? SystemCalls.readNext(descriptor, byteCount: 4096),
      let end = bytes.lastIndex(of: UInt8(ascii: ")"))
    else { return "" }
    // The 22nd field; the second is a name in parentheses that may hold spaces.
    let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
    return fields.count > 19 ? String(decoding: fields[19], as: UTF8.self) : ""
  }

  /// What tells the numbers of processes that this process sees from those in containers of the same machine; empty where the
  /// system does not say.
  package static let processSpace: String =
    (try? SystemCalls.identity(path: "/proc/self/ns/pid")).map { String($0.inode) } ?? ""

  package static let hostName: String = {
    var name = [CChar](repeating: 0, count: 256)
    guard unsafe gethostname(&name, name.count - 1) == 0 else { return "" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }()

  /// What tells this start of this machine from any other; empty where the system does not say.
  package static let bootID: String = {
    var bytes = [CChar](repeating: 0, count: 64)
    guard unsafe sfc_boot_id(&bytes, bytes.count) == 0 else { return "" }
    return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }()
}
