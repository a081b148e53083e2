import MergePlanning
import Safetensors
import Synchronization
import TileKernels

/// The packed right factors of the tensors in flight: made by the first worker that needs them, shared by all, and freed
/// with the tensor's last tile.
final class FactorStore: Sendable {
  /// The packed factors of one tensor, a place for each term; nil for terms that have none.
  private final class Slot: Sendable {
    let packed = Mutex<[PackedRight?]?>(nil)
    let remaining: Atomic<Int>

    init(tileCount: Int) { remaining = Atomic(tileCount) }
  }

  private let slots = Mutex<[Int: Slot]>([:])

  /// The packed factors of the tensor whose tiles are `segment`, packed now if nobody has.
  func factors(
    segment: Int, tileCount: Int, pack: () throws -> [PackedRight?]
  ) throws -> [PackedRight?] {
    let slot = slots.withLock { slots in
      if let slot = slots[segment] { return slot }
      let slot = Slot(tileCount: tileCount)
      slots[segment] = slot
      return slot
    }
    return try slot.packed.withLock { packed in
      if let packed { return packed }
      let made = try pack()
      packed = made
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
