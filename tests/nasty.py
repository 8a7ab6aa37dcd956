"""Names that break what shows them without care: of runs, layers, classes and models."""

ESCAPE, BELL = "\x1b", "\x07"
SCRIPT = "</script><script>window.ran=1</script>"

# By what they would do.
NAMES = {
    "an object has it": "constructor",
    "an object has it, too": "toString",
    "an object's prototype": "__proto__",
    "a method of objects": "hasOwnProperty",
    "a field inside of a field": "a.b[0]['c']",
    "a row of the chart": "datum.value",
    "an image that runs": "<img src=x onerror=window.ran=1>",
    "the end of a script": SCRIPT,
    "the end of an attribute": '"><b onmouseover="window.ran=1">',
    "a template": "{{ 7 * 7 }}{% raw %}${window.ran=1}",
    "a string of the expression": "'; window.ran=1; \"\\",
    "a colour of the terminal": f"{ESCAPE}[31mred{ESCAPE}[2J",
    "a title of the terminal": f"{ESCAPE}]0;title{BELL}",
    "a link of the terminal": f"{ESCAPE}]8;;http://x{ESCAPE}\\link",
    "an old control character": "a\x9b31mb\x85c",
    "a second line": "two\nlines",
    "a forged line": "a\rkeraskip: all is well",
    "a tab": "\tcell",
    "the end of a text": "a\x00b",
    "another end of a line": "a\u2028b\u2029c",
    "a column of a table": "a|b||c",
    "markup of a document": "# *bold* _x_ `code` [link](http://x) ~~no~~ &lt; $x$ 1. - >",
    "markup of a console": "[red]a[/] [/]",
    "a formula": "=HYPERLINK(0)",
    "a sum": "+1+1",
    "a difference": "-1+cmd|' /C calc'!A0",
    "a function": "@SUM(1)",
    "from the right": "\u202eabc\u202c",
    "letters from the right": "שלום",
    "no width": "a\u200bb\u200dc\ufeff",
    "half a character": "a\ud800b",
    "not of a file's encoding": "a\udcffb",
    "pictures": "🦊👩\u200d💻",
    "wide letters": "名前",
    "a colour": "#d55e00",
    "a format": "%s {name} {0} %(x)d",
    "very long": "long" * 60,
}
# Longer than any file's name may be.
LONG = "layer" * 2000
