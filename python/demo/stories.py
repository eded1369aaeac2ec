"""Short stories from the grammar, the facts of each, and the check that a story keeps to its own facts.

A story has four paragraphs: who, where and what; the trouble; the help; an ending that refers back to the
hero, the place and the thing.
"""

import re

from . import plots, words
from .grammar import capitalize_sentences, expand, with_article


LONGEST = 200  # words


def _cast(rng, kind, name, not_names=(), not_kinds=()):
    """Picks kind, name and sex so that they suit each other; a given kind or name is kept."""
    if kind is None:
        kind = rng.choice([k for k in words.KINDS if k not in not_kinds])
    if name in words.FEMALE_NAMES or kind in words.FEMALE_KINDS:
        female = True
    elif name in words.MALE_NAMES or kind in words.MALE_KINDS:
        female = False
    else:
        female = rng.random() < 0.5
    while name is None or name in not_names:
        if rng.random() < 0.15:
            name = words.nonce_name(rng)
        else:
            name = rng.choice(words.FEMALE_NAMES if female else words.MALE_NAMES)
    return kind, name, female


def _suits(plot, thing):
    """No wind carries a bell away, and no scarf breaks."""
    if plot == "wind":
        return thing in words.LIGHT
    if plot == "broken":
        return thing not in words.UNBREAKABLE
    return plot != "magpie" or thing not in words.HEAVY


def make_story(rng, kind=None, name=None, place=None, thing=None):
    """Returns (text, facts). What is not given is drawn from rng, a random.Random."""
    kind, name, female = _cast(rng, kind, name)
    helper_kind, helper, helper_female = _cast(rng, None, None, (name,), (kind,))
    place = place or rng.choice(list(words.PLACES))
    thing = thing or rng.choice(list(words.THINGS))
    preposition, place_adjectives, sights = words.PLACES[place]
    thing_adjectives, used, use, virtue = words.THINGS[thing]
    place_adjective = rng.choice(place_adjectives.split())
    thing_adjective = rng.choice(thing_adjectives.split())
    hero_adjective = rng.choice(words.HERO_ADJECTIVES)
    helper_adjective = rng.choice(words.HELPER_ADJECTIVES)
    plot_name = rng.choice([name for name in plots.PLOTS if _suits(name, thing)])
    plot = plots.PLOTS[plot_name]
    he, him, his = ("she", "her", "her") if female else ("he", "him", "his")
    ghe, ghim, ghis = ("she", "her", "her") if helper_female else ("he", "him", "his")
    a_helper = with_article(f"{helper_adjective} {helper_kind}")
    values = dict(
        H=name, he=he, him=him, his=his, He=he.capitalize(), His=his.capitalize(),
        G=helper, ghe=ghe, ghim=ghim, ghis=ghis, Ghe=ghe.capitalize(), Ghis=ghis.capitalize(),
        gk=helper_kind, aK=a_helper, aG=f"{a_helper} {rng.choice(['named', 'called'])} {helper}",
        T=thing, TA=f"{thing_adjective} {thing}", aTA=with_article(f"{thing_adjective} {thing}"),
        P=f"{preposition} the {place}", p=f"the {place}", PA=f"{preposition} {with_article(f'{place_adjective} {place}')}",
        aHK=with_article(f"{hero_adjective} {kind}"), sight=rng.choice(sights), virtue=virtue, use=use, used=used,
        spot=rng.choice(words.SPOTS))
    values["lament"] = expand(plot["lament"], rng, values)

    wish = plot.get("wish", False)
    text = None
    while text is None or len(text.split()) > LONGEST:
        first = [rng.choice(plots.OPENINGS), rng.choice(plots.WISHING if wish else plots.OWNING)]
        if not wish:
            first.append(rng.choice(plots.HABITS))
        third = []
        if plot.get("meets", True):
            third = [rng.choice(plots.MEETING), rng.choice(plots.ASKING)]
            third += [] if plot.get("talk", False) else [rng.choice(plots.PROMISE)]
        paragraphs = [first, [plot["trouble"]], third + [plot["rescue"]], [rng.choice(plots.ENDINGS)]]
        text = capitalize_sentences("\n\n".join(expand(" ".join(p), rng, values) for p in paragraphs))

    facts = {key: values[key] for key in "H he him his G gk aK T TA aTA P PA aHK spot".split()}
    facts.update(kind=kind, place=place, plot=plot_name, thing_adjective=thing_adjective, wish=wish,
                 hero_adjective=hero_adjective)
    for key in ("what", "why", "how"):
        facts[key] = expand(plot[key], rng, values)
    return text, facts


_ALL_TEMPLATES = [t for plot in plots.PLOTS.values() for t in plot.values() if isinstance(t, str)]
for _templates in (plots.MEETING, plots.ASKING, plots.PROMISE, plots.OPENINGS, plots.OWNING, plots.HABITS,
                   plots.WISHING, plots.ENDINGS):
    _ALL_TEMPLATES += _templates
_WORD = re.compile(r"[A-Za-z]+")
# Every word that the grammar itself can write in small letters; a capitalised word that is not among them is a name.
VOCABULARY = set(_WORD.findall(re.sub(r"\{\w+\}", " ", " ".join(_ALL_TEMPLATES)).lower()))
for _place, (_p, _adjectives, _sights) in words.PLACES.items():
    VOCABULARY |= set(_WORD.findall(f"{_place} {_p} {_adjectives} {' '.join(_sights)}"))
for _thing, _row in words.THINGS.items():
    VOCABULARY |= set(_WORD.findall(f"{_thing} {' '.join(_row)}"))
VOCABULARY |= set(words.KINDS) | set(words.HERO_ADJECTIVES) | set(words.HELPER_ADJECTIVES)
VOCABULARY |= set(_WORD.findall(" ".join(words.SPOTS))) | {"named", "called", "a", "an", "the", "he", "she", "him",
                                                          "her", "his"}

_KINDS = "|".join(words.KINDS)
_INTRODUCED = re.compile(rf"\b[Aa]n? (\w+) ({_KINDS})(?: (?:named|called) ([A-Z]\w+))?")
_NAMED_FIRST = re.compile(rf"\b(?:of )?([A-Z]\w+)(?: was|,) an? \w+ (?:{_KINDS})\b")
_PLACE = re.compile(rf"\b(\w+) ({'|'.join(words.PLACES)})\b")
_THING = re.compile(rf"\b(\w+) ({'|'.join(words.THINGS)})\b")
_ADJECTIVES = {a for _, adjectives, _ in words.PLACES.values() for a in adjectives.split()}
_ADJECTIVES |= {a for row in words.THINGS.values() for a in row[0].split()}
_ADJECTIVES |= set(words.HERO_ADJECTIVES) | set(words.HELPER_ADJECTIVES)


def story_faults(text):
    """Returns what is wrong with a story as a list of sentences; an empty list means that it keeps to its facts."""
    faults = []
    paragraphs = text.strip().split("\n\n")
    if len(paragraphs) < 3:
        return [f"a story has at least three paragraphs, this one has {len(paragraphs)}"]
    if text.strip()[-1] not in '.!?"':
        faults.append("the story breaks off in the middle of a sentence")
    count = len(text.split())
    if not 60 <= count <= 300:
        faults.append(f"a story has 60 to 300 words, this one has {count}")
    first, last = paragraphs[0], paragraphs[-1]

    who = _INTRODUCED.search(first)
    if not who:
        return faults + ["the first paragraph introduces no hero"]
    hero_kind = who.group(2)
    hero = who.group(3)
    if hero is None:
        named = _NAMED_FIRST.search(first)
        hero = named.group(1) if named else None
    if hero is None:
        return faults + ["the hero has no name"]
    helpers = [m for m in _INTRODUCED.finditer(text) if m.group(3) and m.group(3) != hero]
    if len(helpers) != 1:
        return faults + [f"one helper is introduced by name, here {len(helpers)}"]
    helper_kind, helper = helpers[0].group(2), helpers[0].group(3)
    if text.index(helper) < helpers[0].start():
        faults.append(f"{helper} acts before being introduced")

    for word in re.findall(r"\b[A-Z]\w*", text):
        if word not in (hero, helper, "I") and word.lower() not in VOCABULARY:
            faults.append(f"nobody named {word} was introduced")
    for word in re.findall(r"\w+", text):
        if word in words.KINDS and word not in (hero_kind, helper_kind):
            faults.append(f"no {word} was introduced")
    for found, what in ((_PLACE, "place"), (_THING, "thing")):
        introduced = found.search(first)
        if not introduced:
            faults.append(f"the first paragraph introduces no {what}")
            continue
        adjective, noun = introduced.groups()
        for other_adjective, other in found.findall(text):
            if other != noun:
                faults.append(f"the {what} was the {noun}, then came the {other}")
            elif other_adjective in _ADJECTIVES and other_adjective != adjective:
                faults.append(f"the {noun} was {adjective}, then {other_adjective}")
        if not re.search(rf"\b{noun}\b", last):
            faults.append(f"the ending does not come back to the {noun}")
    for name in (hero, helper):
        if not re.search(rf"\b{name}\b", last):
            faults.append(f"the ending does not come back to {name}")
    return faults


def check_story(text):
    """True if the hero, the place and the things that the story introduces are the ones that come back."""
    return not story_faults(text)
