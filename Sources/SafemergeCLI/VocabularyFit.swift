import Checkpoints
import MergePlanning

/// How many tokens the result's tokenizer has, and how many rows its embedding has for them.
struct VocabularyFit {
  let rows: Int
  let tokens: Int

  /// Nil if one of the numbers is not known, or if neither the rows nor the tokenizer are the adapter's.
  ///
  /// Throws if a tokenizer that the adapter brought has more tokens than there are rows: the model could not read them.
  init?(_ plan: MergePlan, _ sideFiles: SideFiles) throws(TokenizerTooLarge) {
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

  /// What the rows behind the last token are; nil if there are none.
  var line: String? {
    guard rows > tokens else { return nil }
    return "embedding: \(Quantities.counted(rows, "row")), tokenizer: \(Quantities.counted(tokens, "token")), "
      + "\(Quantities.counted(rows - tokens, "row")) of padding"
  }
}
