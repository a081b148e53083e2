/// A complete result was judged and refused: no run may resume it.
struct RefusedResult: Error {
  let cause: any Error
}
