import Checkpoints

/// How many tokens the result's tokenizer has, and how many rows its embedding has for them.
public struct VocabularyCheck: Sendable, Equatable {
  public let rows: Int
  public let tokens: Int

  /// Nil if one of the numbers is not known, or if neither the rows nor the tokenizer are the adapter's.
  ///
  /// Throws if a tokenizer that the adapter brought has more tokens than there are rows: the model could not read them.
  public init?(_ plan: MergePlan, _ sideFiles: SideFiles) throws(TokenizerTooLarge) {
    guard let rows = plan.vocabularyRows, rows != plan.baseVocabularyRows || sideFiles.tokenizerIsAdapters,
      let path = sideFiles.files.first(where: { $0.name == "tokenizer.json" })?.sourcePath,
      let tokens = TokenizerFile.tokenCount(path)
    else { return nil }
    if tokens > rows, sideFiles.tokenizerIsAdapters {
      throw TokenizerTooLarge(path: path, tokens: tokens, rows: rows)
    }
    self.rows = rows
    self.tokens = tokens
  }
}
