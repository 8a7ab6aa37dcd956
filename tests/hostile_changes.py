"""Changes that damage bytes, JSON and archives, and names that nobody should give."""

import io
import json
import os
import zipfile

VALUES = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "a", "\x1b[31m", "a\nb", "__proto__", [], [1], [[]], {}, {"a": {}}, [None] * 50, "x" * 5000,
)  # fmt: skip
NAMES = (
    "", ".", "..", "../a", "/etc/a", "a/b", "a\\b", "con", "nul", "-", "--help", "a b", " a", "a ",
    "a\nb", "a\rb", "a\tb", "\x1b]0;t\x07", "a\x00b", "\u202eabc", "\ud800", "é", "日本", "😀",
    "constructor", "toString", "__proto__", "hasOwnProperty", "<script>alert(1)</script>", "a|b",
    "=1+1", "@a", "+a", "'", '"', "`a`", "$(a)", "%s", "{a}", "{{a}}", "a" * 255, "a" * 5000,
    "report.html", "run.json", "steps.arrow", ".hidden", "a.keras", "*", "?", "~", "a:b", "#", "&",
)  # fmt: skip


def damaged(draw, content):
    """Description and bytes after a change of some bytes."""
    kind = draw.choice(["flip", "cut", "junk", "repeat", "insert", "empty"])
    at = draw.randrange(len(content))
    if kind == "flip":
        return flipped(draw, content)
    changed = {
        "cut": content[:at],
        "junk": content[:at] + draw.randbytes(16) + content[at + 16 :],
        "repeat": content[:at] + content[at // 2 :],
        "insert": content[:at] + bytes(draw.randrange(1, 99)) + content[at:],
        "empty": b"",
    }[kind]
    return f"{kind} at byte {at}", changed


def flipped(draw, content):
    """Description and bytes with one bit turned."""
    at, bit = draw.randrange(len(content)), draw.randrange(8)
    return (
        f"bit {bit} of byte {at}",
        content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :],
    )


def changed_json(draw, text):
    """Description and text of a JSON document with a key gone, another value or odd bytes."""
    if draw.random() < 0.1:
        return "nested", b"[" * draw.choice([500, 990, 10**5])
    if draw.random() < 0.1:
        return damaged(draw, text)
    content = json.loads(text)
    spots = list(_spots(content))
    node, key = draw.choice(spots)
    if draw.random() < 0.3:
        del node[key]
        return f"{key!r} gone", json.dumps(content).encode()
    node[key] = draw.choice([*VALUES, *NAMES])
    said = repr(node[key])[:60]
    return f"{key!r} is {said}", json.dumps(content).encode("utf-8", "surrogatepass")


def _spots(node):
    """All places of a document: the object or list, and the key."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(pairs):
        yield node, key
        if isinstance(value, dict | list):
            yield from _spots(value)


def changed_archive(draw, content):
    """Description and bytes of a zip with a member gone, changed, doubled or a bomb."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice(sorted(members))
    kind = draw.choice(["gone", "empty", "junk", "damaged", "bomb", "renamed", "added"])
    if kind in ("gone", "renamed"):
        data = members.pop(name)
        members |= {draw.choice(["x", "../x", "/x", name.upper()]): data} if kind[0] == "r" else {}
    else:
        members[name if kind != "added" else "../../added"] = {
            "empty": b"",
            "junk": draw.randbytes(100),
            "damaged": damaged(draw, members[name])[1],
            "bomb": bytes(3 * 10**8),
            "added": b"outside",
        }[kind]
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, data in members.items():
            archive.writestr(each, data)
    return f"{name} {kind}", written.getvalue()


def odd_kind(draw, path):
    """Puts something else than a regular file at a path; says what."""
    kind = draw.choice(["pipe", "folder", "missing", "empty", "link to itself", "device"])
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "link to itself":
        path.symlink_to(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    return kind
