import Synchronization

/// The results of numbered jobs, in their order.
package final class ResultStore<Value: Sendable>: Sendable {
  private let store: Mutex<[Value?]>

  package init(count: Int) { store = Mutex(Array(repeating: nil, count: count)) }

  package func set(_ number: Int, _ value: Value) { store.withLock { $0[number] = value } }

  /// Those that were set.
  package var values: [Value] { store.withLock { $0.compactMap { $0 } } }
}
