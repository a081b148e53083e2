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

  /// The clock's time.
  package static var secondsSince1970: Int { Int(time(nil)) }

  package static var userID: UInt32 { UInt32(geteuid()) }
  package static var processID: Int32 { getpid() }

  /// Whether a process of this machine has the number.
  package static func isAlive(_ process: Int32) -> Bool { kill(process, 0) == 0 || errno == EPERM }

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
