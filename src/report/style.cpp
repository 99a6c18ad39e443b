#include "report/style.h"

namespace starling::report {

const std::string_view kStyle = R"css(
:root {
  color-scheme: light dark;
  --paper: #f7f8fa; --card: #ffffff; --ink: #17202c; --muted: #566273; --grid: #e3e8ee;
  --accent: #2554d8; --loss: #7a4bc4; --epsilon: #0f7b6c;
  --good: #15744a; --fair: #946200; --bad: #b3261e;
  --shadow: 0 1px 2px rgb(16 24 40 / .06), 0 1px 8px rgb(16 24 40 / .04);
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0f141b; --card: #171e27; --ink: #e7edf4; --muted: #9aa8b8; --grid: #2a3440;
    --accent: #82a6ff; --loss: #c0a1f5; --epsilon: #4cc9b0;
    --good: #58c48d; --fair: #e0b354; --bad: #ff8f85;
    --shadow: none;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  font-variant-numeric: tabular-nums; text-rendering: optimizeLegibility;
}
main, header, footer { max-width: 1080px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 36px; }
.brand {
  display: flex; align-items: center; gap: 10px; color: var(--muted);
  font-size: 14px; letter-spacing: .02em;
}
.brand svg { color: var(--accent); }
h1 { font-size: 34px; line-height: 1.15; letter-spacing: -.02em; margin: 14px 0 6px; }
h2 { font-size: 18px; line-height: 1.3; letter-spacing: -.01em; margin: 0 0 14px; }
h3 { font-size: 14px; font-weight: 600; color: var(--muted); margin: 0 0 8px; }
p { margin: 0; }
.lede { color: var(--muted); font-size: 17px; max-width: 72ch; }
.meta { color: var(--muted); font-size: 14px; margin-top: 8px; overflow-wrap: anywhere; }
.banner {
  background: var(--bad); color: #fff; text-align: center; font-weight: 700;
  letter-spacing: .06em; padding: 10px 24px;
}
@media (prefers-color-scheme: dark) { .banner { color: #2b0805; } }
.card {
  background: var(--card); border: 1px solid var(--grid); border-radius: 14px;
  box-shadow: var(--shadow); padding: 22px 24px; margin-top: 20px; break-inside: avoid;
}
.claim { border-left: 6px solid var(--tone); margin-top: 22px; }
.claim h2 { color: var(--tone); margin-bottom: 6px; }
.claim .bound { font-size: 30px; font-weight: 650; letter-spacing: -.02em; line-height: 1.2; }
.claim .bound small { font-size: 16px; font-weight: 400; color: var(--muted); letter-spacing: 0; }
.claim p { margin-top: 8px; max-width: 78ch; }
.good { --tone: var(--good); } .fair { --tone: var(--fair); } .bad { --tone: var(--bad); }
.figures {
  display: grid; gap: 1px; margin: 20px 0 0; overflow: hidden; padding: 0;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); background: var(--grid);
}
.figures div { background: var(--card); padding: 16px 20px; }
.figures dt { color: var(--muted); font-size: 13px; }
.figures dd { margin: 2px 0 0; font-size: 22px; font-weight: 620; letter-spacing: -.01em; }
.charts { display: grid; gap: 0 20px; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); }
.wide { grid-column: 1 / -1; }
figure { margin: 0; } figure svg { display: block; width: 100%; height: auto; }
.facts { display: grid; grid-template-columns: minmax(130px, 15em) 1fr; margin: 0; }
.facts dt, .facts dd { padding: 7px 0; border-top: 1px solid var(--grid); margin: 0; }
.facts dt:first-of-type, .facts dd:first-of-type { border-top: 0; }
.facts dt { color: var(--muted); padding-right: 16px; }
.facts dd { overflow-wrap: anywhere; }
.uncovered { margin: 0; padding-left: 1.2em; } .uncovered li { margin: 6px 0; max-width: 84ch; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 15px; }
th, td { text-align: right; padding: 7px 12px; border-top: 1px solid var(--grid); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { border-top: 0; color: var(--muted); font-weight: 500; font-size: 13px; }
.note { color: var(--muted); font-size: 14px; margin-top: 10px; }
pre {
  margin: 0; font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  white-space: pre-wrap; overflow-wrap: anywhere;
}
pre b { font-weight: 400; color: var(--accent); }
summary { cursor: pointer; font-weight: 600; }
summary + * { margin-top: 14px; }
summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 4px; }
footer { color: var(--muted); font-size: 13px; padding-top: 26px; padding-bottom: 44px; }
@media (max-width: 560px) {
  .facts { grid-template-columns: 1fr; } .facts dd { border-top: 0; padding-top: 0; }
  .charts { grid-template-columns: minmax(0, 1fr); }
  .wide figure { overflow-x: auto; } .wide svg { min-width: 680px; }
  h1 { font-size: 27px; }
}
@media print {
  :root {
    color-scheme: light;
    --paper: #fff; --card: #fff; --ink: #000; --muted: #444; --grid: #ccc;
    --accent: #2554d8; --loss: #7a4bc4; --epsilon: #0f7b6c;
    --good: #15744a; --fair: #946200; --bad: #b3261e; --shadow: none;
  }
  body { font-size: 11pt; } main, header, footer { max-width: none; padding: 0; }
  .card { border-radius: 6px; padding: 12px 14px; margin-top: 12px; }
  .banner { border: 2px solid #000; background: none; color: #000; }
  .charts { grid-template-columns: 1fr 1fr; }
}
)css";

}  // namespace starling::report
