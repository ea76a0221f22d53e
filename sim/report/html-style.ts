const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (unit) => ENTITIES[unit] ?? unit);
}

/** One colour a region, in their order; told apart by people who see colours differently, too. */
export const REGION_COLOURS = [
  '#2f6fb2',
  '#c9622a',
  '#2b8a6a',
  '#8557a8',
  '#a88a1c',
  '#b2437a',
  '#4b7f8c',
  '#7a6a58',
  '#5a5fb0',
] as const;

export const STYLE = `
:root{--ink:#1c232b;--soft:#66717e;--line:#e1e6eb;--paper:#fff;--ground:#f5f7f9;--good:#1f7a4d;--bad:#b3261e;--open:#8a6d1d}
@media (prefers-color-scheme:dark){:root{--ink:#e4e9ee;--soft:#97a3af;--line:#2b343d;--paper:#171d23;--ground:#10151a;--good:#5cc191;--bad:#f2877f;--open:#d9b95c}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1180px;margin:0 auto;padding:36px 24px 60px}
h1{font-size:30px;margin:4px 0 2px;letter-spacing:-.02em}h1 small{font-size:16px;font-weight:400;color:var(--soft)}
h2{font-size:17px;margin:0 0 12px}h3{font-size:13px;font-weight:600;margin:18px 0 4px;color:var(--soft)}
.about{margin:0 0 10px;max-width:76ch;color:var(--soft)}code{font:13px ui-monospace,Menlo,Consolas,monospace;background:var(--paper);border:1px solid var(--line);padding:4px 8px;border-radius:6px}
.verdict{display:inline-block;margin:0;padding:3px 12px;border-radius:99px;color:#fff;font-weight:600;text-transform:uppercase;font-size:12px;letter-spacing:.06em;background:var(--open)}
.verdict.good{background:#1f7a4d}.verdict.bad{background:#b3261e}
section{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:20px 22px;margin:18px 0}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;padding:0;overflow:hidden;background:var(--line)}
@media(max-width:760px){.tiles{grid-template-columns:repeat(2,1fr)}}
.tile{background:var(--paper);padding:16px 18px;display:flex;flex-direction:column}.tile span{font-size:12px;color:var(--soft)}
.tile b{font-size:26px;letter-spacing:-.02em;font-variant-numeric:tabular-nums}.tile i{font-style:normal;font-size:12px;color:var(--soft)}.tile.bad b{color:var(--bad)}
table{border-collapse:collapse;width:100%;font-size:13px}td{padding:5px 8px;border-top:1px solid var(--line);vertical-align:top}tr:first-child td{border-top:0}
.story{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px}.story td:first-child{text-align:right;white-space:nowrap;color:var(--soft)}.story td:nth-child(2){white-space:nowrap}
.story .fault td{color:var(--bad)}.story .here td{background:color-mix(in srgb,var(--bad) 12%,transparent);font-weight:600}
.badge{font-size:12px;font-weight:600}.badge.good{color:var(--good)}.badge.bad{color:var(--bad)}.badge.open{color:var(--open)}
.properties td:nth-child(1){color:var(--soft)}.properties td:nth-child(2){white-space:nowrap}
svg{display:block;width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:var(--soft)}svg .name{fill:var(--ink)}
.legend{display:flex;flex-wrap:wrap;gap:14px;font-size:12px;color:var(--soft);margin:8px 0 0}.legend i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:5px}
footer{color:var(--soft);font-size:12px;margin-top:24px}ul{margin:0 0 14px;padding-left:18px}
`;
