import JSONText

/// A piece of the work of making an adapter: usually a module. Its result is kept when the run is interrupted.
public struct AdapterUnit: Sendable {
  /// Tells it from the other units of the same adapter, and says in progress and errors what is being made.
  public let name: String
  /// How much work it is, in any unit that all units of the adapter share: the progress is a share of their sum.
  public let cost: Int
  /// The files that ``make`` reads and that the identity of the run does not have the checksums of, such as a base's. If one
  /// of them is not what it was, the unit is made again.
  public let inputs: [String]
  /// Makes the tensors. Called on any thread, by several at once for different units; the same inputs must give the same
  /// bytes, whatever the number of threads.
  public let make: @Sendable () throws -> Result

  /// What a unit gives.
  public struct Result: Sendable {
    /// In the order in which they are written, where the adapter keeps it; there may be none.
    public var tensors: [AdapterTensor]
    /// What else is known of the unit when it is made, for the config, a report or an event: an object, or null.
    public var facts: JSONValue

    public init(tensors: [AdapterTensor], facts: JSONValue = .null) {
      self.tensors = tensors
      self.facts = facts
    }
  }

  /// - Parameters:
  ///   - name: See ``name``.
  ///   - cost: See ``cost``; at least 1 is counted.
  ///   - inputs: See ``inputs``.
  ///   - make: See ``make``.
  public init(name: String, cost: Int, inputs: [String] = [], make: @escaping @Sendable () throws -> Result) {
    self.name = name
    self.cost = max(1, cost)
    self.inputs = inputs
    self.make = make
  }
}
