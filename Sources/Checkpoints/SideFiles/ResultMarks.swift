/// Files that record how a result was made; they are not copied from a base.
package enum ResultMarks {
  /// What was merged, and the checksums of what was written.
  package static let record = ".safemerge.json"
  /// Lies in a mounted folder while the result's files are moved into it, and lists their names.
  package static let incomplete = ".safemerge-incomplete"
}
