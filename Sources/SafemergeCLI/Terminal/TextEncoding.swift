import JSONText
import Platform
import Safetensors

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Arguments and variables that are not UTF-8: the string made of such a path would not open it, and could open another
/// file.
enum TextEncoding {
  /// The variables that affect which files are opened, or how.
  private static let variables = [
    "SAFEMERGE_TMPDIR", "SAFEMERGE_LAPACK", "SAFEMERGE_THREADS", "SAFEMERGE_SIMD", "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME", "TMPDIR",
  ]

  /// The error for arguments or variables that are not UTF-8; nil if all are.
  static var problem: UsageError? {
    for number in 1..<max(1, Int(CommandLine.argc)) {
      if let text = unsafe escaped(CommandLine.unsafeArgv[number]) {
        return UsageError("argument \(number) is not UTF-8: \"\(text)\"", hint: "rename the file or folder")
      }
    }
    for name in variables {
      if let text = unsafe escaped(getenv(name)) {
        return UsageError("\(name) is not UTF-8: \"\(text)\"", hint: "rename the file or folder, or unset \(name)")
      }
    }
    return nil
  }

  /// The text with escapes for invalid bytes; nil if it is valid UTF-8.
  private static func escaped(_ text: UnsafeMutablePointer<CChar>?) -> String? {
    guard let text = unsafe text else { return nil }
    let bytes = unsafe Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    return String(validating: bytes, as: UTF8.self) == nil ? TextBytes.escaped(bytes).escapingUnprintable : nil
  }
}
