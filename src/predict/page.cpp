#include "predict/page.hpp"

#include "predict/charts.hpp"

namespace harbinger::predict {
namespace {

constexpr std::string_view style = R"(
:root{--ink:#1c2733;--dim:#5b6875;--paper:#fff;--card:#f5f7f9;--rule:#d5dbe1;--good:#0a7d4f;
--c0:#1f6fb4;--c1:#c8501a;--c2:#2f8f4e;--c3:#8a4fbf;--c4:#b58900;--c5:#c2317a}
@media(prefers-color-scheme:dark){:root{--ink:#e3e8ed;--dim:#9aa7b4;--paper:#14191f;--card:#1d242c;
--rule:#37424d;--good:#4fc990;--c0:#6cb2f0;--c1:#f5976b;--c2:#74cf91;--c3:#c29bf0;--c4:#e0bd4f;--c5:#f08bbd}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1240px;padding:24px 20px 60px;color:var(--ink);background:var(--paper);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{font-size:26px;margin:0 0 4px}h2{font-size:20px;margin:40px 0 8px;border-bottom:1px solid var(--rule);padding-bottom:4px}
h3{font-size:16px;margin:26px 0 6px}p{margin:6px 0;max-width:80ch}.dim{color:var(--dim)}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:14px}
th,td{padding:4px 12px 4px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;padding-left:14px}
td.n small{display:block;color:var(--dim);font-size:12px}td.what{color:var(--dim);font-size:13px;padding-left:10px}
tr.head th{padding-top:16px;color:var(--dim);font-weight:600;border-bottom:2px solid var(--rule)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:8px 0}dt{color:var(--dim)}dd{margin:0}
code{font:13px/1.5 ui-monospace,"DejaVu Sans Mono",monospace;background:var(--card);padding:2px 6px;border-radius:4px;
overflow-wrap:anywhere}
.row{display:flex;flex-wrap:wrap;gap:18px;align-items:flex-start}
.case{background:var(--card);border-radius:8px;padding:12px 14px;margin:12px 0}.case h4{margin:0 0 4px;font-size:15px}
.row.tight{gap:8px 14px}
.tag{color:var(--good);border:1px solid var(--good);border-radius:10px;padding:0 8px;font-size:12px;margin-left:8px;vertical-align:middle}
.key span{margin-right:18px;white-space:nowrap}.key i{display:inline-block;width:18px;height:3px;margin-right:6px;vertical-align:middle}
svg{max-width:100%;height:auto;display:block}
svg text{fill:var(--dim);font-size:11px;font-family:inherit}svg text.title{fill:var(--ink);font-size:13px;font-weight:600}
svg text.label{font-size:12px}
.grid{stroke:var(--rule);stroke-width:1;opacity:.6}.axis{stroke:var(--dim);stroke-width:1}
.marker{stroke:var(--dim);stroke-width:1;stroke-dasharray:4 4}.whisker{stroke:var(--c0);stroke-width:1.5;opacity:.6}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.bar{fill:var(--c0);opacity:.75}.dot{fill:var(--c0)}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}.c4{stroke:var(--c4)}.c5{stroke:var(--c5)}
i.c0{background:var(--c0)}i.c1{background:var(--c1)}i.c2{background:var(--c2)}i.c3{background:var(--c3)}
i.c4{background:var(--c4)}i.c5{background:var(--c5)}
details{margin:8px 0}summary{cursor:pointer;color:var(--dim)}
@media print{body{max-width:none}.case{break-inside:avoid}}
)";

} // namespace

std::string page(const std::string& title, const std::string& body) {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
         "<meta name=\"color-scheme\" content=\"light dark\">\n<title>"
         + escape_html(title) + "</title>\n<style>" + std::string(style)
         + "</style></head><body>\n<h1>" + escape_html(title) + "</h1>\n" + body
         + "</body></html>\n";
}

} // namespace harbinger::predict
