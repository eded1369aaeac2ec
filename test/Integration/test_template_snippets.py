"""Small snippets of Jinja through jinja2 (in transformers' environment) and through Nibble: the same text, or an error
from both."""

import pytest

pytest.importorskip("jinja2", reason="the reference is jinja2")

from template_reference import Renderer, reference  # noqa: E402

VARIABLES = {
    "s": "Hello, <World> & 'you'",
    "u": "Grüße, ΣΑΣ ﬁn ß İx 你好 🦙",
    "lines": "one\n  two\r\n\nthree\x0bfour\x85five\u2028six\n",
    "blank": "  \t\n\u00a0padded\u3000 ",
    "empty": "",
    "n": 7,
    "neg": -7,
    "zero": 0,
    "big": 12345678901234567890,
    "f": 2.5,
    "tiny": 1e-7,
    "huge": 1e22,
    "third": 0.1,
    "yes": True,
    "no": False,
    "nil": None,
    "l": [3, 1, 2],
    "words": ["pear", "Apple", "fig", "apple", "Fig"],
    "mixed": [1, "a", None, 2.5, True, [1, 2], {"k": "v"}],
    "nested": [[1, [2, 3]], {"a": {"b": ["c", {"d": 1}]}}],
    "d": {"b": 2, "a": 1, "C": 3, "items": "key called items"},
    "e": {},
    "el": [],
    "people": [
        {"name": "Ann", "age": 31, "job": {"title": "cook"}},
        {"name": "bob", "age": 25},
        {"name": "Cid", "age": 31, "job": {"title": "baker"}},
    ],
    "quotes": ["it's", 'say "hi"', "both ' and \"", "back\\slash", "nl\n\t\r\x00\x7f\xad\u200b"],
}

# One snippet a line; blocks of a theme. \n inside of a snippet is a newline.
SNIPPETS = {
    "output": r"""
{{ s }}|{{ u }}|{{ empty }}|{{ n }}|{{ neg }}|{{ big }}|{{ f }}|{{ tiny }}|{{ huge }}|{{ third }}|{{ yes }}|{{ nil }}
{{ l }}|{{ mixed }}|{{ nested }}|{{ d }}|{{ e }}|{{ el }}|{{ quotes }}
{{ 1.0 }} {{ 100000.0 }} {{ 1e15 }} {{ 1e16 }} {{ 123456789012345680.0 }} {{ 1e-4 }} {{ 1e-5 }} {{ 0.00012345 }} {{ -0.0 }} {{ 1.5e300 }}
{{ (1,) }} {{ (1, 2) }} {{ () }} {{ 1, 2 }} {{ [1, (2, 'x')] }} {{ {1: 'a', 'b': [none]} }} {{ {} }}
{{ undefined_name }}|{{ [undefined_name] }}
{{ range(3) }} {{ range(1, 7, 2) }} {{ d.keys() }} {{ d.values() }} {{ d | items | list }}
{{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_000 }} {{ 00 }}
{{ 'a' 'b' "c" }} {{ "esc \\ \" \' \n \t \x41 \u00e9 \U0001F999 \101 \q" }}
{{ }}
{{ 1 +}}
{{ 'open }}
{{ a b }}
{{ 'a' if yes }}|{{ 'a' if no }}|{{ 'a' if no else 'b' }}|{{ 'x' if no else 'y' if no else 'z' }}
""",
    "arithmetic": r"""
{{ 7 / 2 }} {{ 8 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -7 % -3 }}
{{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ 7.5 % 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ 1e300 * 1e10 }} {{ 0.1 + 0.2 }}
{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2.0 ** 3 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2 ** 100 }} {{ 0 ** 0 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.0 / 0 }}
{{ true + 1 }} {{ true + true }} {{ +true }} {{ -true }} {{ 3 * true }} {{ true / 2 }} {{ not 0 }} {{ - - 3 }}
{{ 1 + 2 * 3 - 4 / 2 }} {{ (1 + 2) * 3 }} {{ 10 - 3 - 2 }} {{ 2 * 3 % 4 }} {{ 100 // 7 // 2 }}
{{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ [1, 2] * 2 }} {{ 'ab' * 0 }} {{ 'ab' * -1 }} {{ (1,) * 2 }} {{ [0] * true }}
{{ 'a' + 'b' }} {{ [1] + [2] }} {{ (1,) + (2,) }}
{{ 'a' + 1 }}
{{ 1 + 'a' }}
{{ [1] + (2,) }}
{{ 'a' - 'b' }}
{{ none + 1 }}
{{ d + d }}
{{ 1 ~ 2 ~ 'x' ~ none ~ true ~ [1] ~ 2.0 }} {{ 'a' ~ 1 + 2 }} {{ 1 + 2 ~ 3 + 4 }}
{{ big + 1 }} {{ big * 1000 }} {{ big // 7 }} {{ big % 7 }} {{ -big }} {{ big / 2 }}
{{ undefined_name + 1 }}
{{ 'x' + undefined_name }}
{{ -undefined_name }}
{{ -'a' }}
{{ 5 - -3 }} {{ 5 -3 }} {{ 5-3 }} {{ n-1 }} {{ n -1 }}
""",
    "comparison": r"""
{{ 1 == 1.0 }} {{ 1 == true }} {{ 0 == false }} {{ '1' == 1 }} {{ none == none }} {{ none == false }} {{ [] == [] }} {{ [1, 2] == [1, 2.0] }}
{{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }} {{ (1, 2) == [1, 2] }} {{ undefined_name == other_name }} {{ undefined_name == none }} {{ undefined_name != '' }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1 == 1 }} {{ 3 > 2 >= 2 != 1 }} {{ 1 < 2 == true }} {{ 'a' < 'b' }} {{ 'B' < 'a' }} {{ [1, 2] < [1, 3] }} {{ 'é' > 'z' }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ {} < {} }}
{{ undefined_name < 1 }}
{{ 'a' in 'abc' }} {{ '' in 'abc' }} {{ 'x' not in 'abc' }} {{ 2 in l }} {{ 2.0 in l }} {{ 'a' in d }} {{ 1 in d }} {{ 'a' in d.keys() }} {{ 1 in d.values() }} {{ ('a', 1) in d.items() }}
{{ 1 in 'abc' }}
{{ undefined_name in 'abc' }}
{{ 'a' in undefined_name }} {{ undefined_name in [1] }} {{ undefined_name in d }}
{{ 'a' in none }}
{{ 'a' in 1 }}
{{ [1] in d }}
{{ not 1 == 2 }} {{ not true and false }} {{ true or false and false }} {{ not (true and false) }} {{ 1 in [1] and 2 not in [1] }} {{ not 1 in [1] }}
{{ 0 or 'x' }} {{ 1 and 'y' }} {{ '' or none or [] }} {{ none and 1 }} {{ undefined_name or 'default' }} {{ undefined_name and 1 }}
{{ 'a' if 1 < 2 and 'b' in 'abc' else 'c' }}
{{ 1 if true else 2 if false else 3 }}
""",
    "access": r"""
{{ l[0] }} {{ l[-1] }} {{ l[true] }} {{ l.0 }} {{ nested.1.a.b.1.d }} {{ nested[0][1][0] }} {{ s[0] }} {{ s[-1] }} {{ u[16] }} {{ u[-1] }} {{ (4, 5)[1] }}
{{ l[5] }}|{{ l['x'] }}|{{ l.x }}|{{ d.x }}|{{ d['x'] }}|{{ s.x }}|{{ n.x }}|{{ n[0] }}|{{ nil.x }}|{{ s[99] }}|{{ d[0] }}|{{ d[nil] }}|{{ d[l] }}
{{ l[5].x }}
{{ d.x.y }}
{{ undefined_name.x }}
{{ undefined_name[0] }}
{{ undefined_name() }}
{{ nil.x.y }}
{{ n() }}
{{ d.a() }}
{{ d.items is callable }} {{ d['items'] }} {{ d.items()|list }} {{ d.get('a') }} {{ d.get('x') }} {{ d.get('x', 5) }} {{ d.get('items') }}
{{ l[1:] }} {{ l[:1] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[::2] }} {{ l[-2:] }} {{ l[5:] }} {{ l[1:0] }} {{ l[-100:100] }} {{ l[2:0:-1] }} {{ l[none:2] }} {{ l[:] }}
{{ s[1:5] }}|{{ s[:-3] }}|{{ s[::-1] }}|{{ u[2:8] }}|{{ u[::-1] }}|{{ u[-3:] }}|{{ u[::3] }}|{{ s[100:] }}|{{ s[5:2] }}
{{ (1, 2, 3)[1:] }} {{ range(10)[2:5]|list }} {{ range(5)[1] }} {{ range(5)[-1] }}
{{ l['a':2] }}|{{ n[1:2] }}|{{ d[1:2] }}
{{ l[::0] }}
{{ l.append(4) }}
{{ d.update({'z': 1}) }}
{{ d.pop('a') }}
{{ s.__class__ }}|{{ l.__len__ }}
{{ s.__class__.mro() }}
{{ d.keys()[0] }}|{{ d.items()[0] }}
{{ people[0].job.title }} {{ people[1].job is defined }} {{ people[1].job.title is defined }}
""",
    "string methods": r"""
{{ s.upper() }} {{ s.lower() }} {{ s.title() }} {{ s.capitalize() }} {{ s.swapcase() }} {{ "they're bill's".title() }} {{ 'hELLO wORLD'.capitalize() }}
{{ u.upper() }}|{{ u.lower() }}|{{ u.title() }}|{{ u.capitalize() }}|{{ 'ΌΣΟΣ ΑΣ.Σ Σ'.lower() }}
[{{ blank.strip() }}] [{{ blank.lstrip() }}] [{{ blank.rstrip() }}] [{{ 'xxaxx'.strip('x') }}] [{{ 'abcba'.lstrip('ab') }}] [{{ 'éaé'.strip('é') }}] [{{ ' a '.strip(none) }}] [{{ 'xyx'.rstrip('') }}]
{{ s.split() }} {{ s.split(' ') }} {{ s.split(',') }} {{ s.split('o', 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ ' a  b '.split() }} {{ ' a  b '.split(' ') }} {{ 'a,b,c'.split(',', maxsplit=1) }} {{ 'a b c'.split(none, 1) }} {{ ' a b  c '.split(none, 1) }} {{ 'a<x>b'.split('<x>')[-1] }}
{{ 'a,b,c'.rsplit(',', 1) }} {{ ' a  b  c '.rsplit(none, 1) }} {{ 'a b'.rsplit() }} {{ 'abc'.rsplit('x') }} {{ 'a--b--c'.rsplit('--', 1) }} {{ ' a b '.split(none, 0) }}
{{ 'a'.split('') }}
{{ lines.splitlines() }} {{ lines.splitlines(true) }} {{ ''.splitlines() }} {{ 'a\n'.splitlines() }}
{{ s.startswith('Hello') }} {{ s.startswith(('x', 'H')) }} {{ s.endswith("you'") }} {{ s.endswith('x') }} {{ s.startswith('llo', 2) }} {{ ''.startswith('') }} {{ s.endswith(('a', "'")) }}
{{ s.startswith(1) }}
{{ s.replace('o', '0') }} {{ s.replace('o', '0', 1) }} {{ 'aaa'.replace('aa', 'b') }} {{ 'ab'.replace('', '-') }} {{ ''.replace('', 'x') }} {{ 'éa'.replace('', '.') }} {{ 'abc'.replace('', '-', 2) }} {{ 'abc'.replace('b', '') }}
{{ s.replace('a') }}
{{ s.replace(1, 2) }}
{{ ', '.join(['a', 'b']) }} {{ ''.join('abc') }} {{ '-'.join([]) }} {{ '-'.join(d) }}
{{ ','.join([1]) }}
{{ s.find('o') }} {{ s.find('o', 5) }} {{ s.find('zz') }} {{ s.rfind('o') }} {{ s.index('W') }} {{ u.find('你') }} {{ u.find('x', -12) }} {{ s.count('o') }} {{ 'aaa'.count('aa') }} {{ 'abc'.count('') }} {{ s.find('l', 3, 5) }}
{{ s.index('zz') }}
{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ 'x'.removeprefix('y') }}
{{ '12'.isdigit() }} {{ ''.isdigit() }} {{ 'ab'.isalpha() }} {{ 'a1'.isalnum() }} {{ 'a '.isalnum() }} {{ ' \n'.isspace() }} {{ 'AB'.isupper() }} {{ 'ab1'.islower() }} {{ '1'.isupper() }} {{ 'aB'.islower() }}
[{{ 'ab'.ljust(5) }}] [{{ 'ab'.rjust(5, '*') }}] [{{ 'ab'.center(5) }}] [{{ 'abc'.center(6, '-') }}] [{{ 'ab'.center(7) }}] [{{ '-7'.zfill(4) }}] [{{ '7'.zfill(3) }}] [{{ 'abc'.zfill(2) }}]
{{ '{} and {}'.format(1, 'b') }} {{ '{0}{1}{0}'.format('a', 'b') }} {{ '{x}'.format(x=5) }} {{ '{:.2f}'.format(3.14159) }} {{ '{:>5}|{:<5}|{:^5}|{:*^5}'.format('a', 'b', 'c', 'd') }} {{ '{:05d}'.format(42) }} {{ '{:,}'.format(1234567) }} {{ '{:x} {:#x} {:b}'.format(255, 255, 5) }} {{ '{!r}'.format('a') }} {{ '{{}}'.format() }} {{ '{:+d} {:e} {:g} {:.1%}'.format(3, 12345.678, 0.0001, 0.256) }} {{ '{0[a]} {0.name}'.format({'a': 1}) if false else '' }} {{ '{0[a]}'.format(d) }} {{ '{:5}|{:5}'.format(1, 'a') }} {{ '{}'.format(none) }} {{ '{}'.format(1.0) }}
{{ '{}'.format() }}
{{ '{'.format(1) }}
{{ '%s is %d' % ('x', 5) }} {{ '%s' % 'a' }} {{ '%05.1f|%5s|%-5s|%+d' % (3.14159, 'a', 'b', 3) }} {{ '%(a)s-%(b)s' % {'a': 1, 'b': 2} }} {{ '%d%%' % 5 }} {{ '%r' % 'a' }} {{ '%x' % 255 }} {{ '%s' % none }} {{ '%d' % 3.9 }} {{ '%s' % [1, 2] }} {{ '%.2e' % 12345.678 }} {{ '%g' % 0.5 }} {{ '%03d' % -5 }}
{{ '%s %s' % 'a' }}
{{ '%d' % 'a' }}
{{ 'abc' % 1 }}
{{ s.nosuch() }}
{{ 'a'.upper().lower().strip().replace('a', 'b') }}
""",
    "filters on text": r"""
{{ s|upper }} {{ s|lower }} {{ s|title }} {{ s|capitalize }} {{ 'foo-bar (baz) [qux] {x} <y> a_b o\'neil' | title }} {{ n|upper }} {{ undefined_name|upper }}|{{ none|lower }}
[{{ blank|trim }}] [{{ 'xax'|trim('x') }}] [{{ undefined_name|trim }}] [{{ 5|trim }}] [{{ none|trim }}] [{{ 'xax'|trim(chars='x') }}]
{{ s|replace('o', '0') }} {{ s|replace('o', '0', 1) }} {{ 123|replace(2, 'x') }} {{ s|replace('l', '', count=1) }}
{{ s|length }} {{ u|length }} {{ l|length }} {{ d|count }} {{ undefined_name|length }} {{ ''|length }} {{ range(5)|length }} {{ d.items()|length }}
{{ 5|length }}
{{ none|length }}
{{ lines|indent }}
{{ lines|indent(2, true) }}
{{ 'a\n\nb'|indent(2) }}|{{ 'a\n\nb'|indent(2, blank=true) }}|{{ 'a\nb'|indent('> ', first=true) }}|{{ ''|indent(first=true) }}|{{ 'a\nb\n'|indent(1) }}|{{ 5|indent(3, true) if false else '' }}
{{ s|string }} {{ 5|string }} {{ 5|string|length }} {{ none|string }} {{ l|string }} {{ [5]|string|list }}
{{ s|e }} {{ s|escape|length }} {{ 5|string }}
{{ '%s-%d'|format('a', 3) }} {{ '%(x)s'|format(x=3) }}
{{ s|truncate(10) }} {{ s|truncate(10, true) }} {{ s|truncate(10, false, '…', 0) }} {{ s|truncate(300) }} {{ 'foo bar baz qux'|truncate(9, leeway=0) }}
{{ s|wordcount }} {{ 'a  b\nc'|wordcount }} [{{ 'x'|center(5) }}]
{{ 'abc'|first }} {{ 'abc'|last }} {{ u|last }} {{ 'abc'|list }} {{ 'abc'|reverse }} {{ u|reverse }} {{ 'abc'|join('-') }} {{ 'hello'|unique|join }} {{ 'bca'|sort }} {{ 'abc'|map('upper')|list }}
{{ '42'|int }} {{ ' 42 '|int }} {{ '4.9'|int }} {{ 'x'|int }} {{ 'x'|int(7) }} {{ '0x1A'|int(base=16) }} {{ '1A'|int(0, 16) }} {{ '101'|int(base=2) }} {{ none|int }} {{ 3.99|int }} {{ -3.99|int }} {{ true|int }} {{ '1e3'|int }} {{ ''|int }} {{ [1]|int }} {{ '1_000'|int }} {{ 'inf'|int }} {{ '-5'|int }} {{ '+5'|int }}
{{ '4.5'|float }} {{ 'x'|float }} {{ 'x'|float(1.5) }} {{ 3|float }} {{ '1e3'|float }} {{ ' 2 '|float }} {{ none|float }} {{ 'nan'|float }} {{ '-inf'|float }} {{ true|float }} {{ '1_0.5'|float }} {{ '.5'|float }} {{ '5.'|float }} {{ '1e400'|float }}
{{ undefined_name|int }}
{{ undefined_name|float }}
{{ -5|abs }} {{ (-5)|abs }} {{ -2.5|abs }} {{ true|abs }}
{{ 'a'|abs }}
{{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 42|round }} {{ 42.55|round(1) }} {{ 42.55|round(1, 'floor') }} {{ 42.55|round(1, 'ceil') }} {{ -2.5|round }} {{ 1234.5|round(-2) }} {{ 1250|round(-2) }} {{ 1350|round(-2) }} {{ 0.5|round }} {{ 1e300|round(2) }} {{ true|round }} {{ 2.5|round(method='ceil') }} {{ 2.5|round|int }} {{ 1234567.891|round(2) }}
{{ 'a'|round }}
{{ s|nosuchfilter }}
{% if false %}{{ s|nosuchfilter }}{% endif %}fine
{{ s|upper|lower|title }} {{ 'a'|upper ~ 'b'|upper }} {{ ('a' ~ 'b')|upper }} {{ 2 ** -1|abs }} {{ 1 + -2|abs }} {{ not 'a'|length == 1 }}
{{ s|upper(1) }}
{{ s|trim(nosuch=1) }}
""",
    "filters on lists": r"""
{{ l|sort }} {{ l|sort(reverse=true) }} {{ words|sort }} {{ words|sort(case_sensitive=true) }} {{ words|sort(true) }} {{ people|sort(attribute='age')|map(attribute='name')|list }} {{ people|sort(attribute='age,name', reverse=true)|map(attribute='name')|join(',') }} {{ d|sort }}
{{ mixed|sort }}
{{ people|sort }}
{{ people|sort(attribute='nope') }}
{{ words|unique|list }} {{ words|unique(true)|list }} {{ [1, 1.0, true, 2]|unique|list }} {{ people|unique(attribute='age')|map(attribute='name')|list }} {{ [3, 1, 3]|unique|list }}
{{ l|min }} {{ l|max }} {{ words|min }} {{ words|max }} {{ words|min(case_sensitive=true) }} {{ people|max(attribute='age') }} {{ []|min }} {{ 'hello'|max }}
{{ [1, 'a']|max }}
{{ l|sum }} {{ []|sum }} {{ l|sum(start=10) }} {{ people|sum(attribute='age') }} {{ [0.1, 0.2]|sum }} {{ [[1], [2]]|sum(start=[]) }}
{{ ['a']|sum }}
{{ l|first }} {{ l|last }} {{ []|first }}|{{ []|last }}|{{ d|first }} {{ d|last }} {{ undefined_name|first }}
{{ undefined_name|last }}
{{ 5|first }}
{{ l|join }} {{ l|join(', ') }} {{ mixed|join('|') }} {{ people|join(', ', attribute='name') }} {{ d|join(',') }} {{ undefined_name|join(',') }} {{ l|join(5) }}
{{ 5|join }}
{{ none|join }}
{{ l|reverse|list }} {{ d|reverse|list }} {{ (1, 2)|reverse|list }}
{{ l|list }} {{ d|list }} {{ (1, 2)|list }} {{ undefined_name|list }} {{ d.values()|list }} {{ range(3)|list }}
{{ none|list }}
{{ words|map('upper')|list }} {{ words|map('replace', 'p', 'b')|list }} {{ people|map(attribute='job.title', default={})|list }} {{ people|map(attribute='nope')|list }} {{ nested|map('length')|list }} {{ [[1, 2], [3]]|map('first')|list }} {{ [[1, 2], [3, 4]]|map(attribute=1)|list }} {{ [[1, 2], [3, 4]]|map(attribute='0')|list }} {{ l|map('string')|join('+') }} {{ undefined_name|map('upper')|list }}
{{ l|map('nosuch')|list }}
{{ l|map|list }}
{{ mixed|select|list }} {{ mixed|select('string')|list }} {{ mixed|select('number')|list }} {{ mixed|reject('none')|list }} {{ l|select('odd')|list }} {{ l|reject('gt', 1)|list }} {{ l|select('in', [1, 2])|list }} {{ mixed|reject|list }} {{ words|reject('equalto', 'fig')|list }} {{ l|select('divisibleby', 2)|list }} {{ l|select('==', 2)|list }} {{ l|select('greaterthan', 1)|list }}
{{ l|select('nosuch')|list }}
{{ people|selectattr('job')|map(attribute='name')|list }} {{ people|selectattr('age', 'equalto', 31)|list|length }} {{ people|rejectattr('age', 'gt', 30)|map(attribute='name')|list }} {{ people|selectattr('job', 'defined')|list|length }} {{ people|selectattr('job.title', 'eq', 'cook')|list|length if false else '' }} {{ people|rejectattr('job')|list }}
{{ people|selectattr('job.title', 'eq', 'cook')|list }}
{{ d|dictsort }} {{ d|dictsort(true) }} {{ {'a': 2, 'b': 1}|dictsort(by='value') }} {{ {'a': 2, 'b': 1}|dictsort(false, 'key', true) }}
{{ l|dictsort }}
{{ d|items|list }} {{ undefined_name|items|list }} {{ e|items|list }}
{{ l|items|list }}
{{ s|items|list }}
{{ undefined_name|default('x') }} {{ none|default('x') }} {{ none|default('x', true) }} {{ ''|d('x', true) }} {{ d.nope|default }}| {{ 0|default(5) }} {{ undefined_name|d(default_value=3) }} {{ d.nope|d(l) }}
{{ undefined_name.x|default('x') }}
{{ range(7)|batch(3)|list }} {{ range(7)|batch(3, 'x')|list }}
{% if [] | map('upper') %}true{% else %}false{% endif %} {% if [] | list %}true{% else %}false{% endif %} {% if d.items() %}t{% endif %} {% if e.items() %}t{% else %}f{% endif %} {% if range(0) %}t{% else %}f{% endif %} {% if []|select %}t{% endif %}
""",
    "tojson": r"""
{{ s|tojson }} {{ u|tojson }} {{ n|tojson }} {{ big|tojson }} {{ f|tojson }} {{ tiny|tojson }} {{ huge|tojson }} {{ yes|tojson }} {{ nil|tojson }} {{ l|tojson }} {{ mixed|tojson }} {{ d|tojson }} {{ e|tojson }} {{ el|tojson }} {{ nested|tojson }} {{ quotes|tojson }} {{ (1, 2)|tojson }}
{{ nested|tojson(indent=2) }}
{{ mixed|tojson(indent=4) }} {{ e|tojson(indent=4) }} {{ el|tojson(indent=1) }} {{ [[]]|tojson(indent=1) }} {{ l|tojson(indent=0) }} {{ l|tojson(indent='--') }}
{{ d|tojson(sort_keys=true) }} {{ d|tojson(separators=(',', ':')) }} {{ d|tojson(indent=2, separators=(', ', ' = ')) }} {{ u|tojson(ensure_ascii=true) }} {{ quotes|tojson(ensure_ascii=true) }} {{ u|tojson(true) }} {{ [l, d]|tojson(separators=[';', '=']) }}
{{ {1: 'a', none: 2, true: 3, 2.5: 4}|tojson }} {{ {2: 'a', 1: 'b'}|tojson(sort_keys=true) }}
{{ {(1, 2): 3}|tojson }}
{{ undefined_name|tojson }}
{{ [undefined_name]|tojson }}
{{ range(3)|tojson }}
{{ d.items()|tojson }}
{{ l|map('string')|tojson }}
{{ {'a': 1, 2: 3}|tojson(sort_keys=true) }}
{{ d.items|tojson }}
{{ 1e400|tojson }}
{{ ('inf'|float)|tojson }} {{ ('nan'|float)|tojson }} {{ '</script>\u2028'|tojson }}
""",
    "tests": r"""
{{ n is defined }} {{ undefined_name is defined }} {{ undefined_name is undefined }} {{ d.x is defined }} {{ n is not defined }} {{ nil is none }} {{ n is none }} {{ nil is not none }} {{ undefined_name is none }}
{{ s is string }} {{ n is string }} {{ n is number }} {{ f is number }} {{ yes is number }} {{ n is integer }} {{ yes is integer }} {{ f is float }} {{ n is float }} {{ yes is boolean }} {{ n is boolean }} {{ yes is true }} {{ no is false }} {{ n is true }} {{ 1 is true }}
{{ d is mapping }} {{ l is mapping }} {{ l is iterable }} {{ s is iterable }} {{ d is iterable }} {{ n is iterable }} {{ nil is iterable }} {{ undefined_name is iterable }} {{ l is sequence }} {{ s is sequence }} {{ d is sequence }} {{ n is sequence }} {{ (1, 2) is sequence }} {{ undefined_name is sequence }} {{ d.items() is iterable }} {{ range(2) is sequence }} {{ d.keys() is sequence }}
{{ n is odd }} {{ n is even }} {{ n is divisibleby(7) }} {{ n is divisibleby 2 }} {{ 0 is even }} {{ -3 is odd }} {{ 4.0 is even }}
{{ n is eq 7 }} {{ n is equalto 7 }} {{ n is sameas n }} {{ yes is sameas true }} {{ 1 is sameas true }} {{ n is ne 7 }} {{ n is lt 8 }} {{ n is gt(6) }} {{ n is ge 7 }} {{ n is le 6 }} {{ n is in [1, 7] }} {{ n is not in [1, 7] }} {{ 'a' is in 'abc' }} {{ s is lower }} {{ 'ab' is lower }} {{ 'AB' is upper }} {{ range is callable }} {{ n is callable }} {{ undefined_name is callable }} {{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }}
{{ s is odd }}
{{ undefined_name is odd }}
{{ n is divisibleby(0) }}
{{ n is nosuchtest }}
{{ n is eq }}
{{ n is defined(1) }}
{{ n is defined and n is odd }} {{ n is defined or x }} {{ 'a' if n is odd else 'b' }} {{ not n is even }} {{ n is odd == true }} {{ n is not odd or true }} {{ (n is odd) ~ 'x' }} {{ l|length is gt 2 }} {{ n is none or n is odd }} {{ n + 1 is even }}
{{ n is odd is defined }}
{{ n is defined if yes else 2 }}
{{ n is eq 3 + 4 }} {{ n is eq n|abs }}
""",
    "if": r"""
{% if n %}a{% endif %}{% if zero %}b{% elif s %}c{% else %}d{% endif %}{% if nil %}e{% else %}f{% endif %}
{% if undefined_name %}a{% else %}b{% endif %}{% if not undefined_name %}c{% endif %}{% if e or el or '' %}x{% else %}y{% endif %}
{% if n > 5 and n < 10 %}mid{% endif %}{% if n == 7 %}{% if yes %}deep{% endif %}{% endif %}
{% if n %}
{% if n %}a{% else %}b{% elif c %}d{% endif %}
{% endif %}
{% if %}a{% endif %}
{% if 0.0 %}a{% else %}b{% endif %}{% if 'False' %}c{% endif %}{% if [none] %}d{% endif %}{% if (0,) %}e{% endif %}{% if range(1) %}f{% endif %}
{% if n: %}a{% endif %}
{% if true %}{% set x = 1 %}{% endif %}{{ x }}
{% if n, %}tuple{% endif %}
{% unknown %}
{% if n -%} a {%- endif %} b
""",
    "for": r"""
{% for x in l %}{{ x }},{% endfor %} {% for x in 'abc' %}{{ x }}.{% endfor %} {% for k in d %}{{ k }};{% endfor %} {% for x in (4, 5) %}{{ x }}{% endfor %} {% for x in range(3) %}{{ x }}{% endfor %} {% for x in 1, 2 %}{{ x }}{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }} {% endfor %}{% for k, v in d|items %}{{ k }}={{ v }} {% endfor %}{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for k, v in d|dictsort %}{{ k }}{{ v }}{% endfor %}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}
{% for x in l %}{{ loop.cycle('odd', 'even') }} {% endfor %}{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }} {% endfor %}
{% for x in el %}a{% else %}empty{% endfor %}{% for x in l %}{{ x }}{% else %}never{% endfor %}{% for x in undefined_name %}a{% else %}undefined{% endfor %}
{% for x in l if x > 1 %}{{ x }}{{ loop.index }}{{ loop.length }}{{ loop.last }} {% else %}none{% endfor %}{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}
{% for x in nil %}a{% endfor %}
{% for x in 5 %}a{% endfor %}
{% for a, b in l %}{{ a }}{% endfor %}
{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}
{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %} {% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %} {% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}
{% for x in l %}{% if loop.index == 2 %}{% break %}{% endif %}{{ x }}{% else %}no{% endfor %}
{% break %}
{% set x = 0 %}{% for y in l %}{% set x = y %}{{ x }}{% endfor %}{{ x }}
{% set ns = namespace(x=0) %}{% for y in l %}{% set ns.x = ns.x + y %}{% endfor %}{{ ns.x }}
{% for x in l %}{% set y = (y or 0) + x %}{{ y }} {% endfor %}{{ y }}
{% for x in [1, 2] %}{% for y in [3, 4] %}{{ loop.index }}{{ x }}{{ y }} {% endfor %}{{ loop.index }}{% endfor %}{{ loop }}
{% for x in l %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% for m in people if m.age > 30 and m.job is defined %}{{ m.name }}{% if not loop.last %}, {% endif %}{% endfor %}
{% set ns = namespace(seen=false) %}{% for x in l if not ns.seen %}{% set ns.seen = true %}{{ x }}{% endfor %}
{% set ns = namespace(seen=false) %}{% for x in l if not ns.seen %}{% set ns.seen = true %}{{ x }}{{ loop.last }}{% endfor %}
{% for x in l[::-1] %}{{ x }}{% endfor %}{% for x in l|reverse %}{{ x }}{% endfor %}{% for x in l|sort if x is odd %}{{ x }}{% endfor %}
{% for x in d.values() %}{{ loop.length }}{% endfor %}{% for x in [] + [1] %}{{ x }}{% endfor %}{% for x in l if true else [1] %}{{ x }}{% endfor %}
{% for x in (l if yes else []) %}{{ x }}{% endfor %}
{% for x in l %}{{ loop.nosuch }}{% endfor %}
{% for x in l %}{{ loop.index
{% for loop in l %}{{ loop }}{% endfor %}
{% for true in l %}{% endfor %}
{% for x l %}{% endfor %}
{% for x in l %}{% for x in 'ab' %}{{ x }}{% endfor %}{{ x }}{% endfor %}{{ x }}
{% for item in [{'a': 1}, {'a': 2}] %}{{ item.a }}{{ item['a'] }}{% endfor %}
{% for x in l %}{{ loop['index'] }}{{ loop|length }}{% endfor %}
""",
    "set": r"""
{% set x = 5 %}{{ x }} {% set x = x + 1 %}{{ x }} {% set a, b = 1, 2 %}{{ a }}{{ b }} {% set (a, b) = [3, 4] %}{{ a }}{{ b }} {% set t = 1, 2 %}{{ t }} {% set n = n + 1 %}{{ n }}
{% set a, b = l %}{{ a }}
{% set x %}block {{ n }} text{% endset %}[{{ x }}] {% set x | upper | replace('B', '*') %}block{% endset %}{{ x }} {% set x %}{% endset %}[{{ x }}]{{ x|length }}
{% set ns = namespace(a=1, b='x') %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns['a'] }}{% set ns.c = 5 %}{{ ns.c }} {{ ns }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }} {{ ns.c is defined }}
{% set d.x = 5 %}
{% set nope.x = 5 %}
{% set ns = namespace() %}{% set ns.l = [1] %}{% set ns.l = ns.l + [2] %}{{ ns.l }}
{% set ns = namespace() %}{% for i in range(3) %}{% set ns.s = (ns.s or '') ~ i %}{% endfor %}{{ ns.s }}
{% set x = undefined_name %}{{ x is defined }} {% set y = d.nope %}{{ y is undefined }}
{% set x = [1, 2] %}{% set y = x %}{{ x == y }} {% set s2 = s %}{{ s2 }}
{% set none = 1 %}
{% set 5 = 1 %}
{% set x %}{% set y = 1 %}{% endset %}{{ y is defined }}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% set c = 3 %}{{ c }}{% endwith %}{{ a is defined }}{{ c is defined }}{% with %}x{% endwith %}
{% set x = 1 %}{% with x = 2, y = x %}{{ x }}{{ y }}{% endwith %}{{ x }}
{% filter upper %}abc {{ s }}{% endfilter %} {% filter replace('a', 'b') | upper %}aaa{% endfilter %}
{{ dict(a=1, b=2) }} {{ dict([['x', 1]], y=2) }} {{ dict(d, z=1).z }} {{ dict() }}
{% set x = {'a': 1, 'a': 2} %}{{ x }} {{ {1: 'a', 1.0: 'b', true: 'c'} }}
{{ {[1]: 2} }}
{% generation %}text {{ n }}{% set g = 1 %}{% endgeneration %}{{ g is defined }}
{{ range(200000) }}
{{ range(1, 2, 0) }}
{{ range('a') }}
{{ raise_exception('no ' ~ n) }}
{{ strftime_now('%Y-%m-%d %d %b %Y %B %A %a %H:%M:%S %j %p %I %y %% %-d %e %m/%d/%y') }}|{{ strftime_now('x') }}|{{ strftime_now('') }}
{% print n %}
{% do l.append(1) %}
{% include 'x' %}
{% extends 'x' %}
""",
    "macro": r"""
{% macro f(a, b=2) %}[{{ a }}{{ b }}]{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=4, a=5) }}{{ f() }}{{ f('x')|length }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(c=2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, a=2) }}
{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}
{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }}{{ f() }}
{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro f() %}{% set x = 1 %}{{ n }}{% endmacro %}{{ f() }}{{ x is defined }}
{% set x = 1 %}{% macro f() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ f() }}
{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}g{% endmacro %}{{ f() }}
{% macro wrap() %}<{{ caller() }}>{% endmacro %}{% call wrap() %}inner {{ n }}{% endcall %}
{% macro each(items) %}{% for i in items %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(x) each(l) %}({{ x }}){% endcall %}
{% macro f() %}a{% endmacro %}{% call f() %}x{% endcall %}
{% macro f(x) %}{{ x }}{% endmacro %}{{ f('<b>') ~ f('&') }} {{ f(1) + f(2) }} {{ f(none) }} {{ f([1]) }}
{% macro f(x) -%}  {{ x }}  {%- endmacro %}[{{ f(1) }}]
{% macro f(a, b) %}{% if b is defined %}{{ b }}{% else %}no b{% endif %}{% endmacro %}{{ f(1) }}{{ f(1, none) }}
{% macro f(a=1, b) %}{% endmacro %}
{% macro f() %}{% for x in l %}{{ x }}{% if x == 1 %}{% break %}{% endif %}{% endfor %}{% endmacro %}{{ f() }}
{% for x in l %}{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% endfor %}
{% macro f(*args) %}{% endmacro %}
{% macro f(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(*l) }}{{ f(*[1, 2], **{'c': 3}) }}
{{ f(1) }}{% macro f(x) %}{{ x }}{% endmacro %}
{% if yes %}{% macro f() %}in if{% endmacro %}{% endif %}{{ f() }}
{% macro f(x) %}{% set ns = namespace(v=x) %}{% set ns.v = ns.v ~ '!' %}{{ ns.v }}{% endmacro %}{{ f('a') }}{{ f('b') }}
{% macro outer() %}{% macro inner(y) %}{{ y }}{% endmacro %}{{ inner(3) }}{% endmacro %}{{ outer() }}{{ inner is defined }}
{% macro f(messages) %}{{ messages|length }}{% endmacro %}{{ f(people) }} {{ f }}
""",
    "whitespace": r"""
  {% if yes %}\n  a\n  {% endif %}\nb\n
a\n{% if yes %}\nb\n{% endif %}\nc
a  {%- if yes -%}  b  {%- endif -%}  c
a\n\n  {%- if yes %}\n\n b{% endif +%}\n c
a\n   {%+ if yes %}b{% endif %}
   {# comment #}\nx {# y #} z\n  {#- trim -#}  \n end
{{ n -}}   \n  x {{- n }} y
a {{- ' b ' -}} c
{% raw %}{{ not }} {% parsed %} {# here #}{% endraw %} after
a\n  {% raw %}\n  x {{ }}\n  {% endraw %}\nb
a {%- raw -%}  x  {%- endraw -%} b
{% raw %}unclosed
{# unclosed
{{ '}}' }} {{ "{%" }} {{ {'a': {'b': 1}}.a.b }} {{ {'a': {}}}}
{% set x = '%}' %}{{ x }}
a\r\nb\rc\n{{ 'x\r\ny' }}\r\n
line\n\n
\n
{%- if yes -%}\n\n  x\n\n{%- endif -%}\n
\t{% if yes %}\t\n\tx{% endif %}
\u00a0{% if yes %}x{% endif %}
a {% if yes %} b {% endif %} c\n  {% if yes %}  \n  d\n  {% endif %}  \ne
{%if yes%}tight{%endif%}{{n}}{{-n-}}{{+n}}
x{% for a in l %}\n  {{ a }}\n{% endfor %}\ny
x{% for a in l -%}\n  {{ a }}\n{%- endfor %}\ny
{{ 1 }}}{{ 2 }} { { } } {x} {% set y = 1 %}} %}
{{ [1, 2][0] }}{{ (1 }}
{{ [1, 2) }}
{{ ] }}
{% if yes %}a{% endif
{{ n
{{ s | }}
{{ @ }}
{{ n $ 2 }}
{{ n;n }}
{{ x! }}
text with { single brace } and } and {{ '{' }} and %} and #}
""",
}

# In the theme of white space \n and \r stand for line ends of the template; elsewhere Jinja itself reads them.
CASES = [
    (theme, line.replace(r"\r", "\r").replace(r"\n", "\n") if theme == "whitespace" else line.replace(r"\u00a0", "\u00a0"))
    for theme, block in SNIPPETS.items()
    for line in block.strip("\n").split("\n")
]

@pytest.fixture(scope="module")
def render():
    renderer = Renderer()
    yield renderer
    renderer.close()


def test_there_are_hundreds():
    assert len(CASES) > 300


@pytest.mark.parametrize("theme,snippet", CASES, ids=[f"{theme}-{i}" for i, (theme, _) in enumerate(CASES)])
def test_snippet(render, theme, snippet):
    expected = reference(snippet, VARIABLES)
    ours = render(snippet, VARIABLES)
    if isinstance(expected, Exception):
        assert "error" in ours, f"{snippet!r}: jinja2 raises {expected!r}, ours gives {ours}"
        assert ours["error"].startswith("test.jinja: line "), ours
    else:
        assert ours.get("text", ours) == expected, snippet
