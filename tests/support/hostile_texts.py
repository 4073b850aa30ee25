# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a peer may send to make a report do something: for each form of it."""
from __future__ import annotations

HOSTILE = {
    "closes the script": "</script><script>window.pwned = 1</script>",
    "closes the style": "</style></title><svg onload=window.pwned=1>",
    "an element": "<img src=x onerror=window.pwned=1><a href=javascript:window.pwned=1>x</a>",
    "opens a comment": "<!--<script>",
    "closes a section": "]]>&lt;b&gt; &amp; &#x3c;",
    "markdown": "](http://evil.example) **b** `c` | d | <b>e</b> ![f](http://evil.example/g) http://evil.example/ # h\n# i\n\n- j\n```",
    "quotes": "\\\"'`\\` \\n",
    "performance data": "x|down=0;;;0;0 | OK",
    "a terminal's orders": "\x00\x1b[31m\x1b]0;title\x07\x9b2J\x7f",
    "line ends": "a\nb\r\nc\u0085d\u2028e\u2029f\x0bg\x0ch",
    "turned around": "\u202egnp.exe\u2066\u200f\ufeff",
    "no text": "\ud800\udfff\ufffe\uffff\U0001ffff",
    "other scripts": "データベース 🎉 قاعدة",
    "a template": "$data ${script} %s %(x)s {0} {{ 7 * 7 }}",
    "a metric": '"} 1\nconnectivity_doctor_hosts 99\n# EOF\n',
    "a megabyte": "x" * 1_000_000,
    "a megabyte of markup": "<b>" * 333_333,
}
