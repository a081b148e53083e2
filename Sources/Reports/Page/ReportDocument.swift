import Adapters
import JSONText
import MergePlanning
import Platform
import Safetensors

/// A report about a merge, read from its JSON text, as far as a page shows it.
public struct ReportDocument: Sendable, Equatable {
  public struct Adapter: Sendable, Equatable {
    public let path: String
    public let weights: AdapterWeight

    public init(path: String, weight: Double) { self.init(path: path, weights: AdapterWeight(weight)) }

    public init(path: String, weights: AdapterWeight) {
      self.path = path
      self.weights = weights
    }
  }

  /// A member of an object whose values are texts.
  public struct Option: Sendable, Equatable {
    public let name: String
    public let value: String
  }

  public struct Module: Sendable, Equatable {
    public let name: String
    /// Its position in ``ReportDocument/adapters``.
    public let adapter: Int
    /// Nil: the method has none, as the two below.
    public let rank: Int?
    public let alpha: Double?
    public let scaling: Double?
  }

  /// The number of tensors for an action such as `merged`.
  public struct ActionSum: Sendable, Equatable {
    public let participle: String
    public let tensorCount: Int
    public let byteCount: Int
  }

  public struct File: Sendable, Equatable {
    public let name: String
    public let byteCount: Int
    /// Nil if it was not computed.
    public let checksum: String?
  }

  /// The figures of one tensor, or totals of several; docs/report.md has their formulas.
  public struct Figures: Sendable, Equatable {
    public let elementCount: Int
    public let changedCount: Int
    public let deltaNorm: Double
    public let baseNorm: Double
    /// Nil if the base is zero.
    public let deltaToBase: Double?
    /// Nil if no change was intended.
    public let roundingLoss: Double?
    public var changedShare: Double? { elementCount > 0 ? Double(changedCount) / Double(elementCount) : nil }
  }

  public struct Tensor: Sendable, Equatable {
    public let name: String
    /// Nil in reports of programs that did not write it.
    public let shape: [Int]?
    public let baseDType: String
    public let dtype: String
    /// Positions in ``ReportDocument/modules``.
    public let modules: [Int]
    public let figures: Figures
  }

  public let program: String
  public let base: String
  public let adapters: [Adapter]
  public let output: String
  public let options: [Option]
  /// Empty in reports of programs that did not write it.
  public let actionSums: [ActionSum]
  /// Empty in reports of programs that did not write it.
  public let files: [File]
  public let modules: [Module]
  public let tensors: [Tensor]
  public let totals: Figures
  public let warnings: [String]
  public let advice: [String]

  /// The only supported version of the keys.
  public static let schema = 1

  /// Reads a report.
  ///
  /// - Parameter path: For errors.
  /// - Throws: If something is malformed, missing or of the wrong type.
  public init(_ text: Span<UInt8>, path: String) throws(ReportError) {
    let json: JSONValue
    do throws(JSONError) { json = try JSONParser.parse(text) } catch { throw ReportError(path: path, .json(error)) }
    let reader = ReportReader(path: path, value: json, place: "")
    guard case .object = json else { throw reader.error("an object", json) }
    let schema = try reader.integer("schema")
    guard schema == Self.schema else { throw ReportError(path: path, .schema(schema)) }
    program = try reader.text("program")
    base = try reader.text("base")
    output = try reader.text("output")
    adapters = try reader.list("adapters") { (adapter) throws(ReportError) in
      let parts = try adapter.optionalList("part_weights") { (part) throws(ReportError) in
        AdapterWeight.Part(name: try part.text("part"), weight: try part.number("weight"))
      }
      return Adapter(
        path: try adapter.text("path"), weights: AdapterWeight(try adapter.number("weight"), parts: parts))
    }
    options = try reader.texts("options").map { Option(name: $0.key, value: $0.value) }
    let result = try reader.optional("result")
    var sums: [ActionSum] = []
    for participle in ["merged", "replaced", "converted", "copied"] {
      guard let sum = try result?.object(participle) else { continue }
      sums.append(
        ActionSum(
          participle: participle, tensorCount: try sum.natural("tensors"), byteCount: try sum.natural("bytes")))
    }
    actionSums = sums
    files =
      try result?.list("files") { (file) throws(ReportError) in
        File(
          name: try file.text("name"), byteCount: try file.natural("bytes"), checksum: try file.optionalText("sha256"))
      } ?? []
    let adapterCount = adapters.count
    modules = try reader.list("modules") { (module) throws(ReportError) in
      Module(
        name: try module.text("name"), adapter: try module.natural("adapter", below: adapterCount),
        rank: try module.optionalNatural("rank"), alpha: try module.optionalNumber("alpha"),
        scaling: try module.optionalNumber("scaling"))
    }
    let moduleCount = modules.count
    tensors = try reader.list("tensors") { (tensor) throws(ReportError) in
      Tensor(
        name: try tensor.text("name"), shape: try tensor.optionalNaturals("shape"),
        baseDType: try tensor.text("base_dtype"), dtype: try tensor.text("dtype"),
        modules: try tensor.naturals("modules", below: moduleCount), figures: try tensor.figures())
    }
    totals = try reader.object("totals").figures()
    warnings = try reader.lines("warnings")
    advice = try reader.lines("advice")
  }
}

/// Why a report cannot be shown.
public struct ReportError: ReportableError, Equatable {
  public enum Problem: Equatable, Sendable {
    case json(JSONError)
    /// The version of the keys is not supported.
    case schema(Int)
    /// A value is not what a report has there.
    case kind(place: String, expected: String, found: String)
  }

  public let path: String
  public let problem: Problem

  init(path: String, _ problem: Problem) {
    self.path = path
    self.problem = problem
  }

  public var errorClass: String { "report" }
  public var category: ErrorCategory { .refusedInput }
  public var file: String? { path }

  public var message: String {
    switch problem {
    case .json(let error): "not valid JSON: \(error)"
    case .schema(let found): "\"schema\" is \(found); expected \(ReportDocument.schema)"
    case .kind(let place, let expected, let found):
      place.isEmpty ? "expected \(expected), found \(found)" : "\"\(place)\" is \(found); expected \(expected)"
    }
  }

  public var hint: String? { "pass a file that safemerge merge --report FILE.json wrote" }
}
