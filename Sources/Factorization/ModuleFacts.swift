import AdapterWriting
import JSONText
import LowRank
import MergePlanning

/// What is known of a module once its factors are made.
public struct ModuleFacts: Sendable, Equatable {
  /// The module's path in the model in memory; of stacked experts the parameter's.
  public let module: String
  /// How many experts a stack has; nil: the module has one matrix.
  public let experts: Int?
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
    experts = nil
    rank = factors.rank
    share = factors.share
    norm = factors.total.squareRoot()
    bound = factors.shareBound
    gain = factors.lastGain
    values = factors.squares.prefix(64).map { $0.squareRoot() }
  }

  /// The facts of a stack: shares and norms are those of all experts together.
  init(_ parameter: LiveParameter, _ factors: StackFactors) {
    module = parameter.name
    experts = factors.experts.count
    rank = factors.rank
    let total = factors.experts.reduce(0) { $0 + $1.total }
    func part(_ value: (LowRankFactors) -> Double) -> Double {
      factors.experts.reduce(0) { $0 + value($1) * $1.total } / total
    }
    share = part(\.share)
    norm = total.squareRoot()
    bound = part(\.shareBound)
    gain = part(\.lastGain)
    values = factors.experts.flatMap { $0.squares.prefix(64) }.sorted(by: >).prefix(64).map { $0.squareRoot() }
  }

  /// The facts of a unit that made factors of several parameters.
  static func json(_ facts: [ModuleFacts]) -> JSONValue {
    .object([JSONMember(key: "parameters", value: .array(facts.map(\.json)))])
  }

  /// The facts of finished units.
  public static func all(_ units: [FinishedUnit]) -> [ModuleFacts] {
    units.flatMap { unit in
      guard case .array(let several)? = unit.facts["parameters"] else {
        return [unit.facts].compactMap(ModuleFacts.init)
      }
      return several.compactMap(ModuleFacts.init)
    }
  }

  /// The facts as a unit keeps them.
  var json: JSONValue {
    .object([
      JSONMember(key: "module", value: .string(module)),
      JSONMember(key: "experts", value: experts.map { .integer(Int64($0)) } ?? .null),
      JSONMember(key: "rank", value: .integer(Int64(rank))),
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
    if case .integer(let count)? = json["experts"] { experts = Int(count) } else { experts = nil }
    self.rank = Int(rank)
    self.share = share
    self.norm = norm
    self.bound = bound
    self.gain = gain
    self.values = values.compactMap(number)
  }
}
