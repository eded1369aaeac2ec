"""Word lists of the story grammar: who, where, what, and what one does with it."""

# Kinds of heroes and helpers. What is no "he or she" by nature takes either.
KINDS = """fox rabbit bear mouse hedgehog frog duck cat dog squirrel badger otter goat pony owl turtle crow deer
mole penguin lamb dragon robot wizard giant pirate knight farmer monkey lion elephant snail puppy kitten unicorn
sailor baker girl boy princess prince""".split()
FEMALE_KINDS = {"girl", "princess"}
MALE_KINDS = {"boy", "prince"}

HERO_ADJECTIVES = """brave curious shy cheerful clever gentle lonely young merry patient sleepy proud kind quiet
little tiny""".split()
HELPER_ADJECTIVES = "old wise friendly big tall polite strong funny grey busy".split()

FEMALE_NAMES = """Mila Anna Lily Rosa Nina Clara Ella Zoe Tilda Hazel Ivy Luna Mabel Nora Olga Pearl Ruby Sara
Wilma Daisy Emma Greta Fern Juna""".split()
MALE_NAMES = """Tom Ben Pip Max Oscar Felix Hugo Leo Otto Bram Sam Finn Jasper Karl Milo Ned Paul Rufus Theo Victor
Walter Dan Emil Gus""".split()

# noun: (preposition, adjectives, what one sees there)
PLACES = {
    "forest": ("in", "quiet dark green", ["the tall trees whispered in the wind", "mushrooms grew in the moss"]),
    "meadow": ("in", "sunny wide green", ["the grass was full of flowers", "the bees hummed all day"]),
    "garden": ("in", "sunny pretty quiet", ["roses grew along the wall", "the apples smelled sweet"]),
    "village": ("in", "small sleepy pretty", ["everybody knew everybody", "the roofs were red"]),
    "valley": ("in", "deep green misty", ["the fog lay low in the morning", "the echo answered every song"]),
    "castle": ("in", "old grand dark", ["the stairs were long and winding", "flags waved from the towers"]),
    "cave": ("in", "deep dark warm", ["the walls glittered", "every sound came back twice"]),
    "orchard": ("in", "old sunny quiet", ["the pears hung low", "the grass was soft"]),
    "jungle": ("in", "deep green noisy", ["the leaves were as big as boats", "it rained every noon"]),
    "desert": ("in", "wide hot golden", ["the sand was warm at night", "the stars were very bright"]),
    "town": ("in", "busy noisy pretty", ["the streets were never empty", "there was always music"]),
    "swamp": ("in", "misty wet dark", ["the mud bubbled", "fireflies danced at night"]),
    "mountain": ("on", "high snowy windy", ["the air was cold and clear", "the clouds were very near"]),
    "island": ("on", "small sunny lonely", ["the waves sang all night", "the palms bent in the breeze"]),
    "farm": ("on", "busy old pretty", ["the hay smelled sweet", "the barn was warm and dry"]),
    "hill": ("on", "green windy round", ["the wind never slept", "one could see very far"]),
    "beach": ("on", "wide sunny windy", ["the sand was white", "the waves rolled in slowly"]),
    "lake": ("by", "blue deep quiet", ["the water was as smooth as glass", "the reeds rustled softly"]),
    "river": ("by", "wide busy cold", ["the water ran fast and clear", "the fish jumped in the evening"]),
    "sea": ("by", "blue wide stormy", ["the air tasted of salt", "white ships went by"]),
    "pond": ("by", "small green quiet", ["lilies floated on the water", "the reeds were full of birds"]),
    "bridge": ("near", "old long stone", ["carts rattled by", "the stones were mossy"]),
    "mill": ("near", "old lonely busy", ["the big wheel turned day and night", "the air was full of flour"]),
    "lighthouse": ("in", "tall white lonely", ["the lamp shone every night", "the gulls cried at dawn"]),
    "harbour": ("in", "busy windy old", ["the boats rocked gently", "it smelled of fish and tar"]),
    "library": ("in", "quiet old grand", ["the shelves reached the ceiling", "it smelled of paper and dust"]),
}

# noun: (adjectives, use in the past, use as infinitive, what was good about it)
THINGS = {
    "kite": ("red yellow striped", "flew the kite", "fly the kite", "it danced in the air like a bird"),
    "drum": ("little red wooden", "played the drum", "play the drum", "it boomed like thunder"),
    "bell": ("brass silver little", "rang the bell", "ring the bell", "it sounded as clear as water"),
    "lantern": ("blue old paper", "lit the lantern", "light the lantern", "it glowed like a small moon"),
    "boat": ("wooden white paper", "sailed the boat", "sail the boat", "it was as light as a leaf"),
    "scarf": ("warm green striped", "wore the scarf", "wear the scarf", "it was as soft as a cloud"),
    "key": ("silver golden rusty", "polished the key", "polish the key", "it gleamed in the sun"),
    "mirror": ("round silver old", "looked into the mirror", "look into the mirror", "it made everyone smile"),
    "book": ("thick blue old", "read the book", "read the book", "it was full of pictures"),
    "map": ("old paper secret", "studied the map", "study the map", "it showed every path"),
    "ball": ("striped red blue", "bounced the ball", "bounce the ball", "it jumped as high as a house"),
    "feather": ("golden white blue", "waved the feather", "wave the feather", "it shone in every colour"),
    "marble": ("glass green blue", "rolled the marble", "roll the marble", "it held a tiny rainbow"),
    "whistle": ("tin silver wooden", "blew the whistle", "blow the whistle", "it could be heard for miles"),
    "basket": ("round little yellow", "filled the basket", "fill the basket", "it never seemed to be full"),
    "blanket": ("soft warm blue", "spread the blanket", "spread the blanket", "it smelled of home"),
    "umbrella": ("green yellow striped", "opened the umbrella", "open the umbrella", "it looked like a flower"),
    "hat": ("yellow tall funny", "wore the hat", "wear the hat", "it had a bow on top"),
    "flute": ("wooden silver little", "played the flute", "play the flute", "it sounded like a bird"),
    "compass": ("brass old tiny", "followed the compass", "follow the compass", "it always knew the way"),
    "shell": ("white pink round", "listened to the shell", "listen to the shell", "it sang of far waves"),
    "wagon": ("red wooden little", "pulled the wagon", "pull the wagon", "it rolled without a sound"),
    "crown": ("paper golden tiny", "wore the crown", "wear the crown", "it sparkled like frost"),
    "coin": ("golden old lucky", "spun the coin", "spin the coin", "it was said to bring luck"),
    "clock": ("little brass old", "wound the clock", "wind the clock", "it ticked like a tiny heart"),
    "bucket": ("tin blue rusty", "filled the bucket", "fill the bucket", "it was good for everything"),
    "violin": ("old brown little", "played the violin", "play the violin", "it could laugh and cry"),
    "brush": ("soft golden tiny", "painted with the brush", "paint with the brush", "it made every colour shine"),
    "telescope": ("brass long old", "looked through the telescope", "look through the telescope",
                  "it brought the stars close"),
    "necklace": ("silver golden glass", "wore the necklace", "wear the necklace", "it shone like morning dew"),
}

# What the wind can carry, what can break, and what a magpie can not lift.
LIGHT = set("kite scarf map feather hat umbrella boat blanket basket crown".split())
UNBREAKABLE = set("scarf blanket feather hat coin ball map book bucket key bell".split())
HEAVY = set("drum boat blanket umbrella wagon clock bucket violin telescope ball book basket".split())

# Where a lost thing turns up. None of these nouns is a place, a thing or a kind.
SPOTS = ["behind a tall rock", "in a thorny bush", "on top of an old wall", "between two fallen logs",
         "under a pile of leaves", "in a hollow tree", "beside a broken fence", "at the bottom of a dry ditch",
         "under a wooden bench", "in a haystack", "behind a big barrel", "on a high branch"]


def nonce_name(rng):
    """A name that no list has, so that the model learns to copy a name it does not know."""
    syllables = ["ba", "bo", "da", "do", "fi", "ga", "go", "ka", "ki", "la", "lo", "lu", "ma", "mi", "mo", "na",
                 "ni", "no", "pa", "po", "ra", "ri", "ro", "sa", "so", "ta", "ti", "to", "va", "vi", "wa", "ze",
                 "zo", "zu"]
    ends = ["", "", "n", "l", "r", "x", "s", "ck", "m"]
    name = "".join(rng.choice(syllables) for _ in range(rng.choice([2, 2, 3]))).capitalize() + rng.choice(ends)
    return nonce_name(rng) if name in ("Satan", "Kaka", "Popo", "Nazi", "Gaza", "Dodo") else name
