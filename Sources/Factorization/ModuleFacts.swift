import JSONText
import LowRank
import MergePlanning

/// What is known of a module once its factors are made.
public struct ModuleFacts: Sendable, Equatable {
  /// The module's path in the model in memory.
  public let module: String
  /// The rank of its factors.
  public let rank: Int
  /// The share of the squared Frobenius norm of the change that the factors hold.
  public let share: Double
  /// The Frobenius norm of the change.
  public let norm: Double
  /// The share that a better search could add at the most; 0: all singular values were computed.
  public let bound: Double
  /// How much the share grew in the last step of the search.
  public let gain: Double
  /// The largest singular values, at most 64.
  public let values: [Double]

  init(_ parameter: LiveParameter, _ factors: LowRankFactors) { self.init(parameter.module, factors) }

  init(_ module: String, _ factors: LowRankFactors) {
    self.module = module
    rank = factors.rank
    share = factors.share
    norm = factors.total.squareRoot()
    bound = factors.shareBound
    gain = factors.lastGain
    values = factors.squares.prefix(64).map { $0.squareRoot() }
  }

  /// The facts as a unit keeps them.
  var json: JSONValue {
    .object([
      JSONMember(key: "module", value: .string(module)), JSONMember(key: "rank", value: .integer(Int64(rank))),
      JSONMember(key: "share", value: .real(share)), JSONMember(key: "norm", value: .real(norm)),
      JSONMember(key: "bound", value: .real(bound)), JSONMember(key: "gain", value: .real(gain)),
      JSONMember(key: "values", value: .array(values.map(JSONValue.real))),
    ])
  }

  /// The facts of a finished unit; nil: a unit that made nothing.
  public init?(_ json: JSONValue) {
    func number(_ value: JSONValue?) -> Double? {
      switch value {
      case .integer(let number)?: Double(number)
      case .real(let number)?: number
      default: nil
      }
    }
    guard case .string(let module)? = json["module"], case .integer(let rank)? = json["rank"],
      let share = number(json["share"]), let norm = number(json["norm"]), let bound = number(json["bound"]),
      let gain = number(json["gain"]), case .array(let values)? = json["values"]
    else { return nil }
    self.module = module
    self.rank = Int(rank)
    self.share = share
    self.norm = norm
    self.bound = bound
    self.gain = gain
    self.values = values.compactMap(number)
  }
}
