#!/usr/bin/env python3
"""Writes docs/rest.md from the tables of routes: rest_docs.py [--check]"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLES = [("Master", "src/master/rest.c"), ("Gateway", "src/gateway/main.c")]
ROUTE = re.compile(
    r'\{\s*"(GET|POST|PUT|DELETE)",\s*"([^"]+)",\s*EI_ACCESS_(\w+),\s*[^,]+,\s*\w+,\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\}')

HEAD = """# REST

Every route of the cluster, written by `tools/rest_docs.py` from the tables of routes in the code.
`GET /v1` answers with the same list.

The servers speak HTTP/1.1 over TLS with a certificate of the cluster's own authority (`ca.crt`); the
master also answers on a plain port of the loopback address, for the web page. A request carries
`Authorization: Bearer TOKEN`; access is `public` (no token), `read`, `submit` or `admin`, each of
which includes the ones before it. Answers are JSON; an error is
`{"error":{"code":"not_found","message":"one sentence"}}` with the fitting status.
"""


def document() -> str:
    parts = [HEAD]
    for title, path in TABLES:
        parts.append(f"\n## {title}\n\n| Route | Access | What |\n| --- | --- | --- |\n")
        routes = ROUTE.findall((ROOT / path).read_text(encoding="utf-8"))
        if not routes:
            raise SystemExit(f"rest_docs.py: no routes found in {path}")
        for method, pattern, access, summary in routes:
            text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', summary)).replace("|", "\\|")
            parts.append(f"| `{method} {pattern}` | {access.lower()} | {text} |\n")
    return "".join(parts)


def main() -> int:
    target = ROOT / "docs" / "rest.md"
    if "--check" not in sys.argv:
        target.write_text(document(), encoding="utf-8")
        return 0
    if target.exists() and target.read_text(encoding="utf-8") == document():
        return 0
    print("docs/rest.md differs from the tables of routes; run tools/rest_docs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
