/// The page's only script: it makes tables sortable. Without it the page has everything but that.
enum PageScript {
  /// Contains neither "<" nor "&", so that it is the same text in HTML and XML. Titles become buttons only here: without
  /// scripts there is nothing that does not work.
  static let source: StaticString = """

    for (const table of document.querySelectorAll("table.sortable")) {
      const heads = Array.from(table.tHead.rows[0].cells);
      heads.forEach((head, column) => {
        const isNumber = head.classList.contains("number");
        const text = row => row.cells[column].textContent;
        const number = row => {
          const value = parseFloat(text(row).replaceAll(",", ""));
          return isNaN(value) ? -1 : value;
        };
        const order = isNumber
          ? (one, other) => number(one) - number(other)
          : (one, other) => text(one).localeCompare(text(other), "en", { numeric: true });
        const button = document.createElement("button");
        button.type = "button";
        button.append(...head.childNodes);
        head.append(button);
        button.addEventListener("click", () => {
          const last = head.getAttribute("aria-sort");
          const isDescending = last === null ? isNumber : last === "ascending";
          const rows = Array.from(table.tBodies[0].rows).sort(order);
          if (isDescending) rows.reverse();
          table.tBodies[0].append(...rows);
          for (const other of heads) other.removeAttribute("aria-sort");
          head.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
        });
      });
    }

    """

  /// The SHA-256 of ``source`` in base64, by which the page's policy lets this script run and no other.
  static let hash = "MVXTKBBWQ1XGtzTdzjt78yVM+06XfveAnVuQ4PrA7Pc="

  /// The page's Content-Security-Policy: nothing is loaded, whatever names the report contains.
  static let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-\(hash)'"
}
