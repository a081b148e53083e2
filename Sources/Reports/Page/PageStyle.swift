/// The page's style sheet, for any width, light and dark mode, and print.
enum PageStyle {
  static let sheet: StaticString = """

    :root {
      color-scheme: light dark;
      --page: #fbfbfa; --card: #ffffff; --ink: #1d2126; --soft: #596069; --rule: #dcdfe3; --accent: #1f5fae;
      --alert: #a8320a; --warn: #fdf1e3; --warn-edge: #c2620b; --note: #eaf2fb; --note-edge: #1f5fae;
      --on-pale: #1d2126; --on-deep: #ffffff;
      --c0: #edf4fc; --c1: #d3e4f6; --c2: #b0cff0; --c3: #86b5e6; --c4: #3579bd; --c5: #2166ac;
      --l0: #f3f3f2; --l1: #f3eee8; --l2: #f7e6d3; --l3: #eda05e; --l4: #b85c12; --l5: #a34d0c; --l6: #6f3002;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --page: #14171b; --card: #1c2026; --ink: #e6e9ed; --soft: #9aa3ad; --rule: #333a43; --accent: #7db4f0;
        --alert: #ff9d76; --warn: #33261a; --warn-edge: #e08a3c; --note: #1a2836; --note-edge: #5d9fe3;
        --on-pale: #e6e9ed; --on-deep: #0d1116;
        --c0: #1a2733; --c1: #1e3549; --c2: #234763; --c3: #2a5b80; --c4: #5f9dce; --c5: #93c3e8;
        --l0: #20242a; --l1: #28282a; --l2: #352d26; --l3: #78491c; --l4: #d98c4a; --l5: #efb27d; --l6: #fbdcc0;
      }
    }
    * { box-sizing: border-box; }
    html { -webkit-text-size-adjust: 100%; }
    body { margin: 0; background: var(--page); color: var(--ink);
      font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
    main { max-width: 1200px; margin: 0 auto; padding: 24px 16px 48px; }
    h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; overflow-wrap: anywhere; }
    h2 { font-size: 19px; margin: 36px 0 10px; padding-top: 14px; border-top: 1px solid var(--rule); }
    h3 { font-size: 15px; margin: 18px 0 6px; font-weight: 600; overflow-wrap: anywhere; }
    code, .name, .hash, .tensors th[scope=row] {
      font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; font-size: 0.92em; }
    .kicker { margin: 0; color: var(--soft); font-size: 13px; }
    .lead { margin: 0; color: var(--soft); overflow-wrap: anywhere; }
    .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 20px 0 0; }
    .tiles div { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 10px 14px; }
    .tiles dt { color: var(--soft); font-size: 13px; }
    .tiles dd { margin: 0; }
    .tiles strong { display: block; font-size: 23px; line-height: 1.3; font-weight: 600;
      font-variant-numeric: tabular-nums; }
    .tiles span { color: var(--soft); font-size: 13px; }
    .note { margin: 14px 0 0; padding: 10px 14px; border-left: 4px solid var(--note-edge); background: var(--note);
      border-radius: 0 6px 6px 0; overflow-wrap: anywhere; }
    .note.warning { border-color: var(--warn-edge); background: var(--warn); }
    .scroll { overflow-x: auto; max-width: 100%; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
    .plain { width: 100%; font-size: 14px; }
    .plain th, .plain td { padding: 6px 14px 6px 0; text-align: right; border-bottom: 1px solid var(--rule);
      white-space: nowrap; }
    .plain th + th, .plain td + td { padding-left: 12px; }
    .plain th { color: var(--soft); font-weight: 500; }
    .plain th:first-child, .plain td.name { text-align: left; }
    .plain td.name { white-space: normal; overflow-wrap: anywhere; min-width: 150px; }
    .plain td.hash { white-space: normal; overflow-wrap: anywhere; }
    .maps { display: flex; flex-wrap: wrap; gap: 18px 44px; align-items: flex-start; }
    .map { max-width: 100%; min-width: 0; }
    .heat { border-collapse: separate; border-spacing: 2px; font-size: 12px; line-height: 1.35; }
    .map p { margin: 0 0 4px 2px; color: var(--soft); font-size: 13px; }
    .map p strong { color: var(--ink); }
    .heat thead th { vertical-align: bottom; font-weight: 500; padding: 0 0 3px; }
    .heat thead span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
    .heat .corner, .heat tbody th { font-weight: 400; color: var(--soft); text-align: right; padding-right: 4px; }
    .heat td { min-width: 38px; padding: 2px 3px; text-align: center; border-radius: 3px; }
    .heat td.none, .heat td.zero { color: var(--soft); border: 1px dashed var(--rule); padding: 1px 2px; }
    .heat td.missing { color: var(--soft); }
    .legend { display: flex; flex-wrap: wrap; align-items: center; gap: 2px; margin: 6px 0 0 2px; font-size: 12px; }
    .legend span { min-width: 38px; padding: 2px 4px; text-align: center; border-radius: 3px; }
    .legend em { font-style: normal; color: var(--soft); padding-left: 6px; }
    .s0, .s1, .s2, .s3 { color: var(--on-pale); }
    .s4, .s5, .s6 { color: var(--on-deep); }
    .change .s0 { background: var(--c0); } .change .s1 { background: var(--c1); } .change .s2 { background: var(--c2); }
    .change .s3 { background: var(--c3); } .change .s4 { background: var(--c4); } .change .s5 { background: var(--c5); }
    .change .s6 { background: var(--alert); }
    .loss .s0 { background: var(--l0); } .loss .s1 { background: var(--l1); } .loss .s2 { background: var(--l2); }
    .loss .s3 { background: var(--l3); } .loss .s4 { background: var(--l4); } .loss .s5 { background: var(--l5); }
    .loss .s6 { background: var(--l6); }
    .figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); gap: 18px; }
    figure { margin: 0; max-width: 440px; }
    figcaption { color: var(--soft); font-size: 13px; padding-left: 2px; }
    figcaption strong { color: var(--ink); display: block; }
    svg { display: block; width: 100%; height: auto; }
    svg text { fill: var(--soft); font-size: 11px; font-family: inherit; }
    .bar { fill: var(--accent); }
    .loss .bar { fill: var(--l4); }
    .share .bar { fill: var(--soft); }
    .axis { stroke: var(--soft); stroke-width: 1; }
    .grid { stroke: var(--rule); stroke-width: 1; }
    .mark { stroke: var(--alert); stroke-width: 1.5; stroke-dasharray: 4 3; }
    .tensors { width: 100%; font-size: 13.5px; }
    .tensors th, .tensors td { padding: 4px 0 4px 14px; text-align: right; border-bottom: 1px solid var(--rule); }
    .tensors thead th { color: var(--soft); font-weight: 500; vertical-align: bottom; }
    .tensors th:first-child { text-align: left; padding-left: 0; font-weight: 400; overflow-wrap: anywhere; }
    .tensors td { white-space: nowrap; }
    .alert { color: var(--alert); font-weight: 600; }
    .sortable button { font: inherit; color: inherit; background: none; border: 0; padding: 0; margin: 0; cursor: pointer;
      text-align: inherit; }
    .sortable button:hover { color: var(--ink); text-decoration: underline; }
    th[aria-sort=ascending] button::after { content: " \\2191"; }
    th[aria-sort=descending] button::after { content: " \\2193"; }
    .facts { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0 0 16px; }
    .facts dt { color: var(--soft); }
    .facts dd { margin: 0; overflow-wrap: anywhere; }
    @media (max-width: 720px) {
      main { padding-top: 16px; }
      h1 { font-size: 23px; }
      .tiles { grid-template-columns: repeat(2, 1fr); }
      .plain { font-size: 13px; }
      .plain th, .plain td { padding-right: 6px; }
      .plain th + th, .plain td + td { padding-left: 4px; }
      .plain td.name { min-width: 96px; }
      .facts { grid-template-columns: 1fr; gap: 0; }
      .facts dd { margin-bottom: 8px; }
      .tensors thead { display: none; }
      .tensors tr { display: grid; grid-template-columns: repeat(3, 1fr); padding: 8px 0;
        border-bottom: 1px solid var(--rule); }
      .tensors th, .tensors td { border: 0; padding: 0 8px 4px 0; text-align: left; white-space: normal; }
      .tensors th[scope=row] { grid-column: 1 / -1; padding-bottom: 4px; }
      .tensors td::before { display: block; color: var(--soft); font-size: 12px; font-weight: 400; }
      .tensors td:nth-child(2)::before { content: "dtype"; }
      .tensors td:nth-child(3)::before { content: "shape"; }
      .tensors td:nth-child(4)::before { content: "changed"; }
      .tensors td:nth-child(5)::before { content: "norm of the change"; }
      .tensors td:nth-child(6)::before { content: "of the weight"; }
      .tensors td:nth-child(7)::before { content: "lost"; }
    }
    @media print {
      .scroll { overflow: visible; }
      tr, figure, .map { break-inside: avoid; }
    }

    """
}
