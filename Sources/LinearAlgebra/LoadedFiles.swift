import CSystem

/// The files whose code the process has loaded.
enum LoadedFiles {
  private final class List { var paths: [String] = [] }

  static var paths: [String] {
    let list = List()
    unsafe clf_each(
      { path, context in
        guard let path = unsafe path, let context = unsafe context else { return }
        unsafe Unmanaged<List>.fromOpaque(context).takeUnretainedValue().paths.append(String(cString: path))
      }, Unmanaged.passUnretained(list).toOpaque())
    return list.paths
  }

  /// The file of a routine; nil where the system does not say.
  static func path(of routine: UnsafeMutableRawPointer) -> String? {
    guard let name = unsafe clf_file_of(routine) else { return nil }
    return unsafe String(cString: name)
  }
}
