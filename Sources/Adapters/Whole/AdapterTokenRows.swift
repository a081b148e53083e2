/// Rows that take the place of rows of an embedding, after everything else.
public struct AdapterTokenRows: Equatable, Sendable {
  /// Where the embedding is in the model, such as `model.embed_tokens`.
  public let module: String
  /// Where the rows, (tokens, dimension), are in the adapter's tensor table.
  public let tensor: Int
  /// The tokens, in the order of the rows; none twice.
  public let indices: [Int]
}
