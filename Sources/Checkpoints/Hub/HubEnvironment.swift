/// The location of the Hugging Face cache, from the variables that huggingface_hub 2.4 reads.
public enum HubEnvironment {
  /// `HF_HUB_CACHE`, else `HUGGINGFACE_HUB_CACHE`, else `hub` in `HF_HOME`, which is by default `huggingface` in
  /// `XDG_CACHE_HOME`, by default `~/.cache`. A variable that is set and empty counts as set. `~` and variables in
  /// `HF_HOME` and `HF_HUB_CACHE` are replaced; `~user` is not.
  ///
  /// - Parameters:
  ///   - variables: The environment.
  ///   - home: The user's home folder.
  /// - Source: huggingface_hub 2.4, constants.py.
  public static func cachePath(_ variables: [String: String], home: String) -> String {
    func expanded(_ path: String) -> String { variablesExpanded(homeExpanded(path, home), variables) }
    let userCache = variables["XDG_CACHE_HOME"] ?? join(homeExpanded("~", home), ".cache")
    let hubHome = expanded(variables["HF_HOME"] ?? join(userCache, "huggingface"))
    let old = variables["HUGGINGFACE_HUB_CACHE"] ?? join(hubHome, "hub")
    return expanded(variables["HF_HUB_CACHE"] ?? old)
  }

  /// As Python's `os.path.join` with a relative second part.
  static func join(_ folder: String, _ name: String) -> String {
    folder.isEmpty || folder.utf8.last == slash ? folder + name : "\(folder)/\(name)"
  }

  private static let slash = UInt8(ascii: "/")

  /// Expands `~` and `~/...` as Python's `os.path.expanduser` does.
  private static func homeExpanded(_ path: String, _ home: String) -> String {
    let rest = path.utf8.dropFirst()
    guard path.utf8.first == UInt8(ascii: "~"), rest.isEmpty || rest.first == slash else { return path }
    var home = home
    while home.utf8.last == slash { home.removeLast() }
    let result = home + String(Substring(rest))
    return result.isEmpty ? "/" : result
  }

  /// Expands `$NAME` and `${NAME}` as Python's `os.path.expandvars` does; a variable that is not set stays as it is.
  private static func variablesExpanded(_ path: String, _ variables: [String: String]) -> String {
    var result = ""
    var rest = Substring(path)
    while let dollar = rest.firstIndex(of: "$") {
      result += rest[..<dollar]
      rest = rest[rest.index(after: dollar)...]
      let name: Substring
      let after: Substring
      if rest.first == "{", let end = rest.firstIndex(of: "}") {
        name = rest[rest.index(after: rest.startIndex)..<end]
        after = rest[rest.index(after: end)...]
      } else {
        name = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        after = rest[name.endIndex...]
      }
      if let value = variables[String(name)] {
        result += value
        rest = after
      } else {
        result += "$"
      }
    }
    return result + rest
  }
}
