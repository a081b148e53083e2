import JSONText
import Platform
import Safetensors

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Arguments and variables that are no text: a path of other bytes cannot be opened by the text that they would be made into,
/// and that of another file might be.
enum TextEncoding {
  /// The variables that decide what is opened, or how.
  private static let variables = [
    "SAFEMERGE_TMPDIR", "SAFEMERGE_LAPACK", "SAFEMERGE_THREADS", "SAFEMERGE_SIMD", "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME", "TMPDIR",
  ]

  /// What is wrong with how this process was called; nil: everything is UTF-8.
  static var problem: String? {
    for number in 1..<max(1, Int(CommandLine.argc)) {
      if let text = unsafe escaped(CommandLine.unsafeArgv[number]) {
        return "Argument \(number) is not UTF-8: '\(text)'. Names of files and folders must be; rename what it names."
      }
    }
    for name in variables {
      if let text = unsafe escaped(getenv(name)) {
        return "\(name) is not UTF-8: '\(text)'. Names of files and folders must be; rename what it names, or unset it."
      }
    }
    return nil
  }

  /// The text with escapes for what makes it none; nil if it is one.
  private static func escaped(_ text: UnsafeMutablePointer<CChar>?) -> String? {
    guard let text = unsafe text else { return nil }
    let bytes = unsafe Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    return String(validating: bytes, as: UTF8.self) == nil ? TextBytes.escaped(bytes).escapingUnprintable : nil
  }
}
