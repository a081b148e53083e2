/// What tells a process, or a run, from all others.
package enum RandomToken {
  /// 16 hexadecimal digits from the system's source of random numbers.
  package static func make() -> String {
    let text = String(UInt64.random(in: 0 ... .max), radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }
}
