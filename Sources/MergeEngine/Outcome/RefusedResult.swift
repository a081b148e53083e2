/// A complete result was judged and refused: no run may resume it.
package struct RefusedResult: Error {
  package let cause: any Error

  package init(cause: any Error) { self.cause = cause }
}
