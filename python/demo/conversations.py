"""Conversations: requests for stories, questions about a text, sums, comparisons and small talk, in any mixture.

A conversation is a list of {"role", "content"} messages as chat templates take them.
"""

from . import arithmetic, words
from .grammar import capitalize_sentences, expand, with_article
from .stories import make_story

SYSTEM_PROMPTS = [
    "You are a helpful assistant.", "You are Nibble's demo model.", "You tell stories and answer questions.",
    "Answer in whole sentences.", "You are a friendly storyteller.", "Be brief.", "You are good with numbers.",
]

SMALL_TALK = [
    ("[Hello|Hi|Hello!|Hi!|Hey|hello|hi|Hi there!|Good morning!|Good evening!|Hello there!]",
     "[Hello!|Hi!|Hello, nice to meet you!] [Would you like to hear a story|Shall I tell you a story|Do you want a story or a sum]?"),
    ("[How are you?|How are you today?|hi, how are you?|Hello, how are you?]",
     "[I am fine, thank you.|I am well, thank you.] [Would you like to hear a story|Shall I tell you a story]?"),
    ("[Who are you?|who are you|What are you?|What is your name?|Hello, who are you?|Tell me about yourself.|Are you a person?|Are you a robot?]",
     "I am the demo model of Nibble, a very small language model. I tell short stories, answer questions about them, and add and compare small numbers."),
    ("[What can you do?|what can you do|How can you help me?|Can you help me?|Help!|help|What do you know?|What should I ask you?]",
     "I can tell you a short story, answer questions about it, and add or compare small numbers. Try \"Tell me a story about a fox and a lantern.\""),
    ("[Who made you?|Who built you?|Where do you come from?|How were you made?]",
     "I was trained by a script of the Nibble project, on stories and sums that the script wrote itself."),
    ("[Thank you!|Thanks!|Thank you very much.|thanks|Thank you, that was nice.|Great, thanks!|That was a nice story.|I like it.|Well done!|Nice!]",
     "[You are welcome!|I am glad that you liked it.|It was a pleasure.]"),
    ("[Goodbye!|Bye!|bye|See you!|Good night!|See you tomorrow.|Goodbye, my friend.]",
     "[Goodbye!|Goodbye, see you soon!|Sleep well!]"),
]

UNKNOWN_QUESTIONS = [
    "[What is|What's] the capital of [France|Spain|Japan|Peru|Italy|Norway]?", "Who is the [president|king|queen] of [France|Spain|England]?",
    "[What is|How is] the weather[ today| tomorrow|]?", "What time is it?", "[Can you write|Write] a [program|poem|letter|song][ for me|]?",
    "How [tall|old|heavy|far] is the [moon|sun|Eiffel tower|earth]?", "[Who|When] was [Napoleon|Einstein|Mozart|Shakespeare][ born|]?",
    "[What|Why] is [the sky blue|love|music|water]?", "How do I [cook rice|bake bread|learn French|fix a car]?",
    "[Translate|Explain] this[ text|] [to me|into French|for me].", "Tell me a joke.", "Do you like [music|cheese|winter|football]?",
    "What is the [best|biggest|oldest] [film|city|song|country] [in the world|of all]?", "Where can I buy [shoes|a car|milk]?",
]
UNKNOWN_ANSWER = "I do not know that, I am only a very small model. [I can tell you a story or add two numbers.|But I can tell you a story, if you like.]"
OTHER_ARITHMETIC = ["What is {a} - {b}?", "What is {a} times {b}?", "What is {a} * {b}?", "[How much|What] is {a} minus {b}?",
                    "What is {a} divided by {b}?", "Multiply {a} by {b}.", "Subtract {b} from {a}.", "{a} x {b}"]
OTHER_ARITHMETIC_ANSWER = "I can only add and compare numbers."

PLAIN_REQUESTS = [
    "[Tell me|Please tell me|Write|Tell|I want to hear|I would like to hear|Can you tell me|Could you tell me|Give me|Make up] a [|short|little|nice|new] story{about}{end}",
    "[tell me|write] a story{about}",
    "[Do you know|Have you got] a [|good|nice] story{about}?",
    "[Another story|One more story|Another one]{about}, please.",
    "[A story|A short story]{about}, please.",
]


def story_request(rng):
    """Returns (request, text, facts): what was asked for is what the story has."""
    wants = {key for key, chance in (("kind", 0.6), ("name", 0.3), ("place", 0.25), ("thing", 0.35))
             if rng.random() < chance}
    name = None
    if "name" in wants:
        draw = rng.random()
        name = words.nonce_name(rng) if draw < 0.3 else rng.choice(words.FEMALE_NAMES + words.MALE_NAMES)
    kinds = words.KINDS
    if name in words.FEMALE_NAMES:
        kinds = [k for k in kinds if k not in words.MALE_KINDS]
    elif name in words.MALE_NAMES:
        kinds = [k for k in kinds if k not in words.FEMALE_KINDS]
    text, facts = make_story(rng, kind=rng.choice(kinds) if name and "kind" in wants else None, name=name)
    adjective = facts["hero_adjective"] + " " if rng.random() < 0.15 else ""
    about = ""
    if "kind" in wants:
        about = with_article(adjective + facts["kind"])
        if "name" in wants:
            about += f" {rng.choice(['named', 'called'])} {name}"
    elif "name" in wants:
        about = name
    if "thing" in wants:
        thing = facts["aTA"] if rng.random() < 0.4 else with_article(facts["T"])
        about = f"{about} {rng.choice(['and', 'with', 'and'])} {thing}" if about else thing
    place = ""
    if "place" in wants:
        place = " " + (facts["P"] if rng.random() < 0.5 else facts["P"].split()[0] + " " + with_article(facts["place"]))
    about = (f" about {about}" if about else "") + place
    form = PLAIN_REQUESTS[0] if rng.random() < 0.6 else rng.choice(PLAIN_REQUESTS)
    end = "." if rng.random() < 0.75 else rng.choice([", please.", "", "!"])
    request = expand(form, rng, {"about": about, "end": end}).replace("  ", " ").strip()
    if request.startswith(("Can", "Could", "Do", "Have")):
        request = request.rstrip(".!?").removesuffix(", please") + "?"
    return request, text, facts


def _cap(text):
    return text[0].upper() + text[1:]


# (questions, answer, which plots or None); the values are the facts of a story.
QUESTIONS = [
    ("[Who is the story about?|Who is the hero[ of the story|]?|Who is this story about?|What is the name of the hero?]", "The story is about {H}, {aHK}."),
    ("[Who is {H}?|What kind of [hero|creature] is {H}?|What is {H}?]", "{H} is {aHK}."),
    ("Where [did|does] {who} live?", "{H} lived {PA}."),
    ("[Where does the story take place?|Where does the story happen?|Where is {H}?]", "The story takes place {PA}."),
    ("[Who helped {who2}?|Who is {G}?|Who is the [friend|helper] of {H}?|Who was {his} [friend|helper]?]", "{G}, {aK}, helped {H}."),
    ("[What is the name of the {gk}?|What was the {gk} called?]", "The {gk} was called {G}."),
    ("[What happened?|What went wrong?|What was the [problem|trouble]?|What happened to {H}?|What happened to the {T}?]", "{What}."),
    ("[Why was {H} [sad|unhappy|worried]?|Why did {H} need help?|Why was {he} sad?]", "{H} was sad because {why}."),
    ("[How did {G} help?|How did {G} help {H}?|How was the problem solved?|How did the story end[ well|]?|What did {G} do?]", "{How}."),
    ("[What was the {T} like?|What kind of {T} was it?|What did the {T} look like?]", "It was {aTA}."),
    ("[Who was the friend of {G}?|Whom did {G} help?|Who met {G}?]", "It was {H}, {aHK}."),
]
HAVE_QUESTION = ("[What did {who} have?|What was {his} treasure?|What did {who} [love|own]?]", "{H} had {aTA}.")
WISH_QUESTION = ("[What did {who} [want|wish for]?|What was {his} wish?]", "{H} wished for {aTA}.")
WHERE_FOUND = ("[Where was the {T}?|Where did they find the {T}?|Where was the {T} found?]", "The {T} was {spot}.")
FOUND_PLOTS = {"wind", "magpie", "forgotten", "cold", "wish"}
NOT_TOLD = ("[What is the name of {his} [sister|brother|teacher|house]?|How old is {H}?|What did {H} eat for breakfast?|How many [friends|brothers] does {H} have?|What colour are the eyes of {H}?|When is the birthday of {H}?]",
            "The story does not say.")


def story_questions(rng, facts, count, follows=False):
    """Returns count different (question, answer) turns; follows allows pronouns for the hero."""
    pool = QUESTIONS + [WISH_QUESTION if facts["wish"] else HAVE_QUESTION] * 2
    if facts["plot"] in FOUND_PLOTS:
        pool = pool + [WHERE_FOUND] * 2
    if rng.random() < 0.15:
        pool = pool + [NOT_TOLD] * 4
    turns, seen = [], set()
    while len(turns) < count:
        question, answer = rng.choice(pool)
        if answer in seen:
            continue
        seen.add(answer)
        pronoun = (follows or turns) and rng.random() < 0.4
        values = dict(facts, who=facts["he"] if pronoun else facts["H"], who2=facts["him"] if pronoun else facts["H"],
                      What=_cap(facts["what"]), How=_cap(facts["how"]))
        turns.append((expand(question, rng, values), expand(answer, rng, values)))
    return turns


CONTEXT_FORMS = [
    "Read this story and answer the question.\n\n{text}\n\n{q}",
    "{text}\n\n{q}",
    "Here is a story:\n\n{text}\n\nQuestion: {q}",
    "{text}\n\nQuestion: {q}",
    "{q}\n\n{text}",
    "Answer the question about the story.\n\nStory: {text}\n\nQuestion: {q}",
]


def small_text(rng):
    """Returns (text, turns): a few facts about a few people, to find an answer by looking it up."""
    count = rng.choice([1, 2, 2, 3])
    female = {n: True for n in words.FEMALE_NAMES} | {n: False for n in words.MALE_NAMES}
    names = [words.nonce_name(rng) if rng.random() < 0.15 else n for n in rng.sample(list(female), count)]
    if len(set(names)) < count:
        return small_text(rng)
    places = rng.sample(list(words.PLACES), count)
    things = rng.sample(list(words.THINGS), count)
    kinds = rng.sample([k for k in words.KINDS if k not in words.FEMALE_KINDS | words.MALE_KINDS], count)
    sentences, turns = [], []
    for name, place, thing, kind in zip(names, places, things, kinds):
        at = f"{words.PLACES[place][0]} the {place}"
        adjective = rng.choice(words.THINGS[thing][0].split())
        thing_phrase = with_article(f"{adjective} {thing}")
        parts = rng.sample(["kind", "place", "thing"], rng.choice([2, 3]) if count > 1 else 3)
        verb = rng.choice(["has", "owns", "carries"])
        if "kind" in parts:
            sentences.append(f"{name} is {with_article(kind)}.")
            turns += [(rng.choice([f"Who is {name}?", f"What is {name}?"]), f"{name} is {with_article(kind)}."),
                      (f"Who is the {kind}?", f"{name} is the {kind}.")]
        if "place" in parts:
            where = rng.choice(["is", "lives", "is"])
            sentences.append(f"{name} {where} {at}.")
            turns += [(f"Where is {name}?" if where == "is" else f"Where does {name} live?", f"{name} {where} {at}."),
                      (f"Who {where} {at}?", f"{name} {where} {at}.")]
        if "thing" in parts:
            sentences.append(f"{name} {verb} {thing_phrase}.")
            turns += [(f"What does {name} have?", f"{name} has {thing_phrase}."),
                      (f"Who has the {thing}?", f"{name} has the {thing}."),
                      (f"What is the {thing} like?", f"The {thing} is {adjective}.")]
    if rng.random() < 0.5:
        rng.shuffle(sentences)
    rng.shuffle(turns)
    return " ".join(sentences), turns


def _sum_turns(rng, count):
    turns = []
    for _ in range(count):
        a, b = arithmetic.training_operands(rng)
        if rng.random() < 0.08:
            turns.append(arithmetic.word_problem_turn(rng, a, b, words.FEMALE_NAMES + words.MALE_NAMES))
        else:
            turns.append(arithmetic.sum_turn(rng, a, b))
    return turns


def _comparison_turns(rng, count):
    return [arithmetic.comparison_turn(rng, *arithmetic.comparison_operands(rng)) for _ in range(count)]


def _talk_turn(rng):
    draw = rng.random()
    if draw < 0.7:
        question, answer = rng.choice(SMALL_TALK)
        return expand(question, rng, {}), expand(answer, rng, {})
    if draw < 0.85:
        return expand(rng.choice(UNKNOWN_QUESTIONS), rng, {}), expand(UNKNOWN_ANSWER, rng, {})
    values = {"a": str(rng.randint(0, 99)), "b": str(rng.randint(0, 99))}
    return expand(rng.choice(OTHER_ARITHMETIC), rng, values), OTHER_ARITHMETIC_ANSWER


def _repeat_turn(rng):
    if rng.random() < 0.3:
        text = small_text(rng)[0]
    else:
        known = words.FEMALE_NAMES + words.MALE_NAMES + list(words.THINGS) + list(words.PLACES) + words.KINDS
        some = rng.sample(known + words.HERO_ADJECTIVES + arithmetic.ITEMS, rng.randint(3, 24))
        text = " ".join(words.nonce_name(rng) if rng.random() < 0.1 else word for word in some)
    return expand("[Repeat|Please repeat|Say again|Repeat after me|Copy this|Repeat this]:[ |\n]", rng, {}) + text, text


def context_turns(rng, text, turns):
    first, answer = turns[0]
    return [(expand(rng.choice(CONTEXT_FORMS), rng, {"text": text, "q": first}), answer)] + turns[1:]


def _segment(rng, kind):
    if kind == "sums":
        return _sum_turns(rng, rng.choice([1, 2, 6, 12, 16]))
    if kind == "comparisons":
        return _comparison_turns(rng, rng.choice([1, 2, 4, 6]))
    if kind == "talk":
        return [_talk_turn(rng) for _ in range(rng.choice([1, 1, 2]))]
    if kind == "story":
        request, text, _ = story_request(rng)
        return [(request, text)]
    if kind == "story questions":
        request, text, facts = story_request(rng)
        return [(request, text)] + story_questions(rng, facts, rng.choice([1, 2, 3, 4, 5]), follows=True)
    if kind == "context":
        text, facts = make_story(rng)
        return context_turns(rng, text, story_questions(rng, facts, rng.choice([1, 2, 3, 5])))
    if kind == "repeat":
        return [_repeat_turn(rng) for _ in range(rng.choice([1, 1, 2]))]
    text, turns = small_text(rng)
    return context_turns(rng, text, turns[:rng.choice([1, 2, 3])])


# What conversations are about. A model learns to copy what it read (a name, a thing) late and all at once; short
# texts to repeat and to look up teach it faster than stories do, so the second part of the text has many of them.
MIXED = [("sums", 0.38), ("comparisons", 0.10), ("talk", 0.06), ("story", 0.13), ("story questions", 0.12),
         ("context", 0.08), ("facts", 0.13)]
COPYING = [("repeat", 0.40), ("facts", 0.34), ("sums", 0.12), ("comparisons", 0.08), ("talk", 0.02), ("story", 0.04)]
FULL = [("sums", 0.22), ("comparisons", 0.16), ("talk", 0.08), ("story", 0.17), ("story questions", 0.14),
        ("context", 0.08), ("facts", 0.11), ("repeat", 0.04)]
STORIES = [("sums", 0.12), ("comparisons", 0.18), ("talk", 0.06), ("story", 0.25), ("story questions", 0.19),
           ("context", 0.10), ("facts", 0.10)]


def _pick(rng, table):
    draw = rng.random() * sum(weight for _, weight in table)
    for name, weight in table:
        draw -= weight
        if draw < 0:
            return name
    return table[-1][0]


def conversation(rng, segments=None, subjects=FULL):
    """Returns one conversation; segments is the number of its subjects, one or a few by default."""
    if segments is None:
        segments = rng.choice([1, 1, 1, 1, 2, 3])
    turns = []
    for _ in range(segments):
        turns += _segment(rng, _pick(rng, subjects))
    messages = [{"role": "system", "content": rng.choice(SYSTEM_PROMPTS)}] if rng.random() < 0.12 else []
    for question, answer in turns:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return messages
