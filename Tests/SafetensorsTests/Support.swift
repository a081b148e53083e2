import Foundation
import Platform
import Safetensors

typealias Problem = SafetensorsError.Problem

/// What `body` was refused for; nil if it was not.
func problem(_ body: () throws(SafetensorsError) -> Void) -> Problem? {
  do throws(SafetensorsError) {
    try body()
    return nil
  } catch { return error.problem }
}

/// What `body` failed with, about a file itself; nil: it did not.
func fileProblem(_ body: () throws(FileError) -> Void) -> FileError.Problem? {
  do throws(FileError) {
    try body()
    return nil
  } catch { return error.problem }
}

extension SafetensorsFile {
  /// A tensor's bytes.
  func copy(_ name: TensorName) throws(SafetensorsError) -> [UInt8] {
    try withBytes(of: name) { bytes throws(SafetensorsError) in (0..<bytes.byteCount).map { bytes.unsafeLoad($0) } }
  }
}

extension RawSpan {
  fileprivate func unsafeLoad(_ offset: Int) -> UInt8 { unsafeLoadUnaligned(fromByteOffset: offset, as: UInt8.self) }
}

/// The bytes of a safetensors file with this header text and data.
func fileBytes(header: String, data: [UInt8] = []) -> [UInt8] {
  let text = Array(header.utf8)
  return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text + data
}

#if os(Linux)
/// A line of /proc/self/status, such as "VmHWM", whose number stands in `radix`.
func processStatus(_ key: String, radix: Int = 10) -> Int? {
  guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
  let line = text.split(separator: "\n").first { $0.hasPrefix(key + ":") }
  return line?.dropFirst(key.count + 1).split(whereSeparator: \.isWhitespace).first.flatMap { Int($0, radix: radix) }
}
#endif
