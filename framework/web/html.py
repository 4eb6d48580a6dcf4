"""HTML made of elements: text is escaped unless it is an element already, so that forgetting is impossible."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of HTML, safe to put into a page."""

    text: str


Content = str | int | Html


def element(name: str, *contents: Content, css: str = "", **attributes: str) -> Html:
    """`<name class="css" attributes>contents</name>`."""
    given = {"class": css, **attributes}
    head = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in given.items() if value)
    return Html(f"<{name}{head}>{joined(*contents).text}</{name}>")


def joined(*contents: Content) -> Html:
    """One after the other."""
    return Html("".join(one.text if isinstance(one, Html) else escape(str(one)) for one in contents))


def page(title: str, *contents: Content, refresh_seconds: int = 0) -> str:
    """A whole page with the house's style; it loads nothing from anywhere."""
    refresh = f'<meta http-equiv="refresh" content="{refresh_seconds}">' if refresh_seconds else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{refresh}'
        f"<title>{escape(title)}</title><link rel='icon' href='data:,'><style>{_STYLE}</style></head>"
        f"<body><main>{joined(*contents).text}</main></body></html>"
    )


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2530;--dim:#677383;--line:#e2e6eb;--back:#f5f6f8;--card:#fff;--link:#0b5cad;
--good:#17794a;--goodb:#e2f4ea;--wait:#8a5a00;--waitb:#fdf0d3;--bad:#b3261e;--badb:#fbe4e2;--none:#5b6675;--noneb:#eaedf1}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--dim:#95a1b1;--line:#2c3540;--back:#12171d;--card:#1a2129;
--link:#6fb3f5;--good:#6fd3a0;--goodb:#153526;--wait:#efc15d;--waitb:#3a2d10;--bad:#ff9b92;--badb:#451d1a;--none:#a9b4c2;
--noneb:#2a323c}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1200px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:22px;margin:0}h2{font-size:18px;margin:0}h3{font-size:15px;margin:0;font-weight:600}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
code,pre,.mono{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--back);border:1px solid var(--line);border-radius:6px;padding:10px 12px;overflow:auto;margin:8px 0}
.top{display:flex;flex-wrap:wrap;gap:12px;align-items:center;margin-bottom:18px}.top nav{margin-left:auto}
.dim{color:var(--dim)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(210px,1fr));gap:12px;margin:0 0 20px}
.fact,.card{background:var(--card);border:1px solid var(--line);border-radius:10px}
.fact{padding:10px 14px}.fact b{display:block;font-size:12px;font-weight:500;color:var(--dim)}
.fact span{overflow-wrap:anywhere}
.card{margin:0 0 20px;overflow:hidden}
.card>header{display:flex;flex-wrap:wrap;gap:10px;align-items:center;padding:14px 16px}
.group{border-top:1px solid var(--line);padding:12px 16px 14px}
.group>header{display:flex;flex-wrap:wrap;gap:10px;align-items:center}
.push{margin-left:auto}
.mark{display:inline-block;border-radius:99px;padding:1px 10px;font-size:12.5px;font-weight:600;white-space:nowrap}
.good{color:var(--good);background:var(--goodb)}.wait{color:var(--wait);background:var(--waitb)}
.bad{color:var(--bad);background:var(--badb)}.none{color:var(--none);background:var(--noneb)}
.notice{border-radius:10px;padding:12px 16px;margin:0 0 20px;overflow-wrap:anywhere}
.label{display:inline-block;border:1px solid var(--line);border-radius:6px;padding:0 7px;font-size:12.5px;
color:var(--dim)}
.scroll{overflow-x:auto;margin-top:8px}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;font-size:12px;font-weight:500;color:var(--dim);padding:3px 14px 3px 0;white-space:nowrap}
td{padding:4px 14px 4px 0;border-top:1px solid var(--line);vertical-align:top;white-space:nowrap}
td.wide{white-space:normal;min-width:220px;width:99%;overflow-wrap:anywhere}
.why{margin:8px 0 0;padding:0;list-style:none}.why li{margin-top:4px;overflow-wrap:anywhere}
details summary{cursor:pointer}details[open] summary{margin-bottom:8px}
.empty{padding:40px 16px;text-align:center;color:var(--dim)}
""".replace("\n", "")
