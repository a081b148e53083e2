import Synchronization

/// The results of numbered jobs, in their order.
final class ResultStore<Value: Sendable>: Sendable {
  private let store: Mutex<[Value?]>

  init(count: Int) { store = Mutex(Array(repeating: nil, count: count)) }

  func set(_ number: Int, _ value: Value) { store.withLock { $0[number] = value } }

  /// Those that were set.
  var values: [Value] { store.withLock { $0.compactMap { $0 } } }
}
