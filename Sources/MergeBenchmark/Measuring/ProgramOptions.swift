import ArgumentParser
import Platform
import Safetensors

#if canImport(Darwin)
import Darwin
#endif

/// Which safemerge is measured, how often, and how that is printed.
struct ProgramOptions: ParsableArguments {
  @Option(help: "The safemerge to measure. Default: the one beside this program.", completion: .file())
  var program: String?

  @Option(help: "Timed runs.")
  var runs = 5

  @Option(help: "Runs before them that are not counted; they warm the caches.")
  var warmup = 1

  @Flag(help: "Print JSON lines.")
  var json = false

  func validate() throws {
    if runs < 1 { throw ValidationError("--runs is at least 1.") }
    if warmup < 0 { throw ValidationError("--warmup is not negative.") }
  }

  func programPath() throws(BenchmarkError) -> String {
    if let program { return program }
    guard let own = Self.executablePath else { throw .cannotStart(program: "safemerge", code: SystemCalls.noSuchFile) }
    return Folders.parent(of: own) + "/safemerge"
  }

  private static var executablePath: String? {
    #if canImport(Darwin)
    var byteCount: UInt32 = 0
    _NSGetExecutablePath(nil, &byteCount)
    var bytes = [CChar](repeating: 0, count: Int(byteCount))
    guard _NSGetExecutablePath(&bytes, &byteCount) == 0 else { return nil }
    return SystemCalls.realPath(String(decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
    #else
    SystemCalls.realPath("/proc/self/exe")
    #endif
  }
}
