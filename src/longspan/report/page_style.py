"""The style sheet of a report: system fonts, light and dark, wide, narrow and on paper."""

from __future__ import annotations

__all__ = ["PAGE_STYLE"]

PAGE_STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f7f7f5; --sheet: #ffffff; --ink: #1b2026; --soft: #59626c; --line: #e4e5e3; --wash: #f1f2f0;
  --accent: #0b63a5; --good: #0b63a5; --bad: #b8470a; --shadow: 0 1px 2px rgb(20 25 30 / 5%);
  --series-1: #0072b2; --series-2: #e69f00; --series-3: #009e73; --series-4: #d55e00; --series-5: #b8639a;
  --series-6: #3f9fd8; --series-7: #8a8f98;
  --figure-ink: #2b3138; --figure-faint: #66707a; --figure-grid: #e2e4e6; --figure-on: #ffffff;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ground: #121518; --sheet: #1a1e22; --ink: #e7eaec; --soft: #9ca5ae; --line: #2b3137; --wash: #22272c;
    --accent: #6cb8ee; --good: #6cb8ee; --bad: #f59a62; --shadow: none;
    --series-1: #4ba6e4; --series-2: #e9b23f; --series-3: #36c29a; --series-4: #ef8244; --series-5: #dc94bd;
    --series-6: #8accf3; --series-7: #8a8f98;
    --figure-ink: #dfe3e6; --figure-faint: #98a1aa; --figure-grid: #30363c; --figure-on: #0e1317;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 24px; -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.6 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial,
    sans-serif;
}
.page { max-width: 1240px; margin: 0 auto; padding: 0 28px 72px; }
header { padding: 56px 0 8px; }
.brand { margin: 0 0 10px; color: var(--accent); font-size: 13px; font-weight: 600; letter-spacing: 0.02em; }
h1 {
  margin: 0; font-size: clamp(28px, 4vw, 40px); line-height: 1.15; font-weight: 680; letter-spacing: -0.02em;
  overflow-wrap: anywhere; text-wrap: balance;
}
.subtitle { max-width: 70ch; margin: 12px 0 0; color: var(--soft); font-size: 17px; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(184px, 1fr)); gap: 14px;
  margin: 28px 0 0; padding: 0; }
.card { padding: 16px 18px 14px; background: var(--sheet); border: 1px solid var(--line); border-radius: 12px;
  box-shadow: var(--shadow); }
.card:first-child { grid-column: span 2; }
.card dt { color: var(--soft); font-size: 13.5px; }
.card dd { margin: 0; overflow-wrap: anywhere; }
.card .figure-of { font-size: 29px; line-height: 1.3; font-weight: 640; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums; }
.card .aside { color: var(--soft); font-size: 13px; line-height: 1.4; }
.columns { display: block; }
nav { display: none; }
main { min-width: 0; }
section { margin: 44px 0 0; }
h2 { margin: 0 0 14px; font-size: 21px; line-height: 1.3; font-weight: 640; letter-spacing: -0.01em;
  overflow-wrap: anywhere; }
main p { max-width: 72ch; margin: 0 0 14px; overflow-wrap: anywhere; white-space: pre-line; }
.table + p, .plot + p, .halves + p { margin-top: 14px; }
main .caption { margin: 22px 0 -4px; }
figure { margin: 16px 0 0; }
figcaption, caption, .caption { color: var(--soft); font-size: 14px; line-height: 1.5; text-align: left; }
.panel { background: var(--sheet); border: 1px solid var(--line); border-radius: 12px; box-shadow: var(--shadow); }
.plot { padding: 18px 18px 14px; }
.plot .scroll { overflow-x: auto; }
.plot .narrow { display: none; }
.plot svg { display: block; width: 100%; height: auto; margin: 0 auto; }
.plot svg * { stroke-linejoin: round; stroke-linecap: butt; }
.plot svg text { font-family: inherit !important; }
.plot figcaption { margin: 10px 0 0; }
@media (min-width: 760px) {
  .halves { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
  .halves:has(> :only-child) { grid-template-columns: none; }
}
.table { overflow-x: auto; margin: 16px 0 0; }
table { width: 100%; border-collapse: collapse; font-size: 14.5px; }
caption { padding: 14px 18px 0; }
th, td { padding: 9px 18px; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
td:not(.number) { overflow-wrap: anywhere; min-width: calc(10ch + 36px); }
td:first-child:not(.number) { min-width: calc(16ch + 36px); }
thead th { color: var(--soft); font-size: 13px; font-weight: 550; white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 0; padding: 0; list-style: none;
  font-size: 13.5px; }
.legend li { display: flex; align-items: center; gap: 7px; }
.legend i { width: 14px; height: 14px; border: 1px solid var(--soft); border-radius: 3px; print-color-adjust: exact; }
.images { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, var(--cell)), 1fr)); gap: 14px;
  margin: 16px 0 0; padding: 0; list-style: none; }
.image { overflow: hidden; }
.image img { display: block; width: 100%; aspect-ratio: var(--shape); object-fit: cover; background: var(--wash); }
.image img.small { object-fit: contain; image-rendering: pixelated; }
.image div { padding: 9px 12px 11px; font-size: 13.5px; line-height: 1.4; overflow-wrap: anywhere; }
.image b { display: block; font-weight: 600; }
.image span { display: block; color: var(--soft); font-size: 12.5px; }
.image.good b { color: var(--good); }
.image.bad b { color: var(--bad); }
.image b i { font-style: normal; }
.settings { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); column-gap: 36px;
  margin: 16px 0 0; padding: 10px 20px; }
.settings div { display: flex; gap: 16px; justify-content: space-between; padding: 7px 0; font-size: 14.5px;
  border-bottom: 1px solid var(--line); margin-bottom: -1px; }
.settings dt { color: var(--soft); flex: none; max-width: 55%; overflow-wrap: anywhere; }
.settings dd { margin: 0; text-align: right; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.settings h3 { grid-column: 1 / -1; margin: 14px 0 2px; font-size: 14.5px; font-weight: 640; }
.settings h3:first-child { margin-top: 6px; }
footer { margin: 56px 0 0; padding: 16px 0 0; color: var(--soft); font-size: 13px; border-top: 1px solid var(--line); }
a { color: var(--accent); }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 3px; }
@media (min-width: 1080px) {
  .columns { display: grid; grid-template-columns: 184px minmax(0, 1fr); gap: 48px; }
  nav { display: block; position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto;
    padding: 50px 0 24px; font-size: 14.5px; }
  nav ol { margin: 0; padding: 0; list-style: none; border-left: 1px solid var(--line); }
  nav a { display: block; padding: 5px 0 5px 16px; color: var(--soft); text-decoration: none; overflow-wrap: anywhere; }
  nav a:hover { color: var(--accent); }
}
@media (max-width: 560px) {
  .page { padding: 0 16px 48px; }
  header { padding-top: 32px; }
  .cards { grid-template-columns: 1fr 1fr; gap: 10px; }
  .card { padding: 12px 14px; }
  .card .figure-of { font-size: 24px; }
  .images { gap: 10px; grid-template-columns: repeat(auto-fill, minmax(min(var(--cell, 168px), 136px), 1fr)); }
  .plot { padding: 12px 10px; }
  .plot .scroll svg { min-width: var(--least, 0); }
  th, td { padding: 8px 10px; }
  td:not(.number) { min-width: calc(10ch + 20px); }
  td:first-child:not(.number) { min-width: calc(16ch + 20px); }
  thead th { white-space: normal; }
  .settings { padding: 6px 14px; }
}
@media screen and (max-width: 560px) {
  .plot .wide { display: none; }
  .plot .narrow { display: block; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
@page { margin: 15mm; }
@media print {
  :root { color-scheme: light; --ground: #fff; --shadow: none; }
  body { font-size: 11pt; }
  .page { max-width: none; padding: 0; }
  nav { display: none; }
  .columns { display: block; }
  header { padding-top: 0; }
  h1 { font-size: 20pt; }
  .subtitle { margin-top: 6px; font-size: 11pt; }
  .cards { grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 8px; margin-top: 14px; }
  .card { padding: 8px 11px; border-radius: 8px; }
  .card dt, .card .aside { font-size: 8.5pt; }
  .card .figure-of { font-size: 15pt; }
  .plot { padding: 10px 14px; }
  .plot svg { max-height: 88mm; }
  h2 { break-after: avoid; }
  .card, .plot, .table, .image, tr, .settings div { break-inside: avoid; }
  .table:has(tbody tr:nth-child(9)) { break-inside: auto; }
  .table, .plot .scroll { overflow: visible; }
  thead { break-after: avoid; }
  th, td { padding: 5px 12px; }
  .settings { grid-template-columns: 1fr 1fr; }
  .settings div { padding: 3px 0; font-size: 10pt; }
  section { margin-top: 28px; }
}
"""
