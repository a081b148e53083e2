/// Files by which a result tells how it was made; none is a side file.
package enum ResultMarks {
  /// What was merged, and the checksums of what was written.
  package static let record = ".safemerge.json"
  /// Stands in a mounted folder while the result's files are moved into it, with their names.
  package static let incomplete = ".safemerge-incomplete"
}
