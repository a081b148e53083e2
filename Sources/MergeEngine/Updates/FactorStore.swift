import MergePlanning
import Synchronization

/// What the tiles of the tensors in flight share: made by the first worker that needs it, shared by all, and freed with the
/// tensor's last tile.
final class FactorStore: Sendable {
  private final class Slot: Sendable {
    let prepared = Mutex<PreparedSteps?>(nil)
    let remaining: Atomic<Int>

    init(tileCount: Int) { remaining = Atomic(tileCount) }
  }

  private let slots = Mutex<[Int: Slot]>([:])

  /// What the tiles of `segment` share, prepared now if nobody has.
  ///
  /// - Parameter tileCount: How many tiles will be released.
  func prepared(
    segment: Int, tileCount: @autoclosure () -> Int, prepare: () throws -> PreparedSteps
  ) throws -> PreparedSteps {
    let slot = slots.withLock { slots in
      if let slot = slots[segment] { return slot }
      let slot = Slot(tileCount: tileCount())
      slots[segment] = slot
      return slot
    }
    return try slot.prepared.withLock { prepared in
      if let prepared { return prepared }
      let made = try prepare()
      prepared = made
      return made
    }
  }

  /// Says that one tile is done.
  func release(segment: Int) {
    guard let slot = slots.withLock({ $0[segment] }) else { return }
    if slot.remaining.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
      slots.withLock { $0[segment] = nil }
    }
  }
}
