/// Whether a call that changes names did what it was asked to although it reported a failure.
///
/// On a network file system a request may be sent twice: the second finds the work of the first, and the failure of the
/// second is reported. Therefore the names decide. After a rename they are taken from listings, because a client may remember
/// for a minute that a name is absent or what it led to. After other calls an old answer only lets the failure stand.
enum NameState {
  typealias Failure = SystemCalls.Failure

  /// Calls `body`; no failure if the name is gone afterwards.
  static func expecting(absent path: String, _ body: () throws(Failure) -> Void) throws(Failure) {
    do throws(Failure) { try body() } catch {
      guard try SystemCalls.identity(path: path, followingLinks: false) == nil else { throw error }
    }
  }

  /// Calls `body`; no failure if the name leads to a folder afterwards.
  static func expecting(folder path: String, _ body: () throws(Failure) -> Void) throws(Failure) {
    do throws(Failure) { try body() } catch {
      guard try SystemCalls.identity(path: path, followingLinks: false)?.isDirectory == true else { throw error }
    }
  }

  /// Calls `body`, which gives `from` the name `to`; no failure if it has that name afterwards.
  static func expecting(_ from: String, at to: String, _ body: () throws(Failure) -> Void) throws(Failure) {
    let before = try? SystemCalls.identity(path: from, followingLinks: false)
    do throws(Failure) { try body() } catch {
      guard let before, isListed(from) == false, isListed(to) == true, isSame(before, to) else { throw error }
    }
  }

  /// Calls `body`, which gives the file at `from` the second name `to`; no failure if it has both afterwards.
  static func expecting(_ from: String, linkedAt to: String, _ body: () throws(Failure) -> Void) throws(Failure) {
    do throws(Failure) { try body() } catch {
      guard let one = try? SystemCalls.identity(path: from, followingLinks: false),
        let other = try? SystemCalls.identity(path: to, followingLinks: false), one.device == other.device,
        one.inode == other.inode
      else { throw error }
    }
  }

  /// Calls `body`, which exchanges two names; no failure if each leads to what the other did.
  static func expecting(
    exchanged one: String, _ other: String, _ body: () throws(Failure) -> Void
  ) throws(Failure) {
    let before = inodes(one, other)
    do throws(Failure) { try body() } catch {
      guard let before, let now = inodes(one, other), now == [before[1], before[0]], now[0] != now[1] else {
        throw error
      }
    }
  }

  private static func inodes(_ one: String, _ other: String) -> [UInt64]? {
    guard let first = try? SystemCalls.identity(path: one, followingLinks: false),
      let second = try? SystemCalls.identity(path: other, followingLinks: false)
    else { return nil }
    return [first.inode, second.inode]
  }

  /// Whether `path` leads to what had this identity before it was renamed. Some file systems give a renamed file another number.
  private static func isSame(_ before: SystemCalls.Identity, _ path: String) -> Bool {
    guard let now = try? SystemCalls.identity(path: path, followingLinks: false),
      now.isDirectory == before.isDirectory, now.isRegularFile == before.isRegularFile
    else { return false }
    if now.inode == before.inode { return true }
    return now.byteCount == before.byteCount && now.modified == before.modified
      && now.modifiedNanoseconds == before.modifiedNanoseconds
  }

  /// Whether a name is in its folder; nil if the folder cannot be listed.
  private static func isListed(_ path: String) -> Bool? {
    let name = Paths.lastComponent(path)
    return (try? SystemCalls.entries(ofFolder: Paths.folder(path)))?.contains { Paths.areEqual($0, name) }
  }
}
