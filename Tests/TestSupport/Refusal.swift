import Platform

/// What `body` is refused with; nil if it is not, or throws something that does not fit in one line.
package func refusal(_ body: () throws -> Void) -> (any ReportableError)? {
  do {
    try body()
    return nil
  } catch { return error as? any ReportableError }
}
