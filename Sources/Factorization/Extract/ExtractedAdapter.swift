import AdapterWriting

/// How an adapter is made of two models: what the program says of it and carries out, whatever the kind of model.
public protocol ExtractedAdapter: Sendable {
  /// The parts of the work, each of which makes factors. A unit whose parameters are equal makes nothing.
  var units: [AdapterUnit] { get }
  /// Changed parameters that the adapter does not have, where that was allowed.
  var leftOut: [String] { get }
  /// What is not selected: it was not compared.
  var unselected: [String] { get }
  /// Modules that a merge adds only with `--add-tensors`.
  var newModules: [String] { get }
  /// Modules that are one tensor with another one in the base: a merge separates them only with `--tied split`.
  var untiedModules: [String] { get }
  /// Tensors that the adapter has whole.
  var savedTensorCount: Int { get }

  /// What belongs to the adapter beside the units' tensors.
  ///
  /// - Throws: ``FactorizationError`` with `noChange` if nothing differs.
  func document(_ units: [FinishedUnit]) throws -> AdapterDocument
}

extension ExtractedAdapter {
  public var newModules: [String] { [] }
  public var untiedModules: [String] { [] }
  public var savedTensorCount: Int { 0 }
}
