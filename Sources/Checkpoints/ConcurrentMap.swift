import Dispatch
import Synchronization

/// Applies `transform` to each element on as many threads as there are processors, keeping the order.
///
/// - Throws: The error of the first element, in order, whose transform failed.
package func concurrentMap<Element: Sendable, Value: Sendable>(
  _ elements: [Element], _ transform: @Sendable (Element) throws -> Value
) throws -> [Value] {
  guard elements.count > 1 else { return try elements.map(transform) }
  let results = Mutex<[Result<Value, any Error>?]>(Array(repeating: nil, count: elements.count))
  DispatchQueue.concurrentPerform(iterations: elements.count) { position in
    let result = Result { try transform(elements[position]) }
    results.withLock { $0[position] = result }
  }
  return try results.withLock { results in try results.compactMap { try $0?.get() } }
}
