/// A complete result was judged and refused: no run may go on with it.
struct RefusedResult: Error {
  let cause: any Error
}
