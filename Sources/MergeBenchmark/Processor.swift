import Platform
import Safetensors

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// The machine that figures are from.
enum Processor {
  /// Processors that this process may use.
  static var count: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

  /// What the system calls the processor.
  static let name: String = {
    #if canImport(Darwin)
    var byteCount = 0
    guard sysctlbyname("machdep.cpu.brand_string", nil, &byteCount, nil, 0) == 0, byteCount > 1 else {
      return "unknown"
    }
    var bytes = [UInt8](repeating: 0, count: byteCount)
    guard sysctlbyname("machdep.cpu.brand_string", &bytes, &byteCount, nil, 0) == 0 else { return "unknown" }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    #else
    guard let descriptor = try? SystemCalls.openForReading("/proc/cpuinfo") else { return "unknown" }
    defer { try? SystemCalls.close(descriptor) }
    guard let bytes = try? SystemCalls.read(descriptor, byteCount: 1 << 14, at: 0) else { return "unknown" }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix("model name") {
      return line.split(separator: ":").dropFirst().joined(separator: ":").split(separator: " ").joined(separator: " ")
    }
    return "unknown"
    #endif
  }()
}
