"""Plots of the story grammar. Each is one problem and the way out of it.

A plot is a dict of templates (see grammar.py). Values: H hero's name, he/him/his (He/His capitalised), G helper's
name, ghe/ghim/ghis (Ghe/Ghis), gk helper's kind, aG "an old turtle named Bram", aK "an old turtle",
T "kite", TA "red kite", aTA "a red kite", P "in the forest", p "the forest", use/used what one does with the thing,
virtue what is good about it, spot where it was. `what`, `why`, `how` and `end` are answers to questions.
"""

MEETING = [
    "just then, {aG} came [along|by|down the path].",
    "[after a while|a little later], {he} met {aG}.",
    "[soon|before long], {aG} [stopped beside {him}|heard {him} and came closer].",
    "{aG} was [passing by|sitting close by] and saw [it all|everything|{his} sad face].",
]

ASKING = [
    '"why are you [crying|so sad|sitting here all alone]?" [asked {G}|{G} asked]. "{lament}" [said {H}|{H} answered|{H} said with a sigh].',
    '"what is the matter?" [asked {G}|{G} asked]. "{lament}" [said {H}|{H} answered|{H} replied in a small voice].',
    '"can I help you?" [asked {G}|{G} asked in a [kind|soft] voice]. "{lament}" [said {H}|{H} answered].',
    '{H} told {ghim} [everything|the whole story|what had happened].',
]

PROMISE = [
    '"do not [worry|cry]," said {G}. "[we will find a way|I have an idea|two heads are better than one]."',
    '"then let us [begin at once|not lose any time]," said {G}.',
    '"I know what to do," said {G}[| with a smile].',
    '{G} [thought for a moment|nodded slowly|scratched {ghis} head]. "[come with me|leave it to me|I will help you]," {ghe} said.',
    "",
]

PLOTS = {
    "wind": dict(
        trouble="[one day|one morning|one afternoon], a [strong|wild|cold] wind [blew|swept] [over {p}|through the air]. it [snatched|tore|pulled] the {T} out of {his} hands and carried it [far away|high into the sky|out of sight]. {H} ran after it [as fast as {he} could|until {he} was out of breath], but the wind was [faster|too quick].[ {He} sat down and [cried|felt very sad|did not know what to do].|]",
        lament="[the wind took my {T}|my {T} is gone, the wind carried it away]!",
        rescue="[together they|they] looked [high and low|everywhere|here and there]. [at last|finally|when the sun was low], {G} saw [something|a bit of something] {spot}. it was the {T}! {G} [reached up|crept closer|stretched as far as {ghe} could] and gave it back to {H}.[ \"thank you!\" cried {H}.| {H} [jumped for joy|laughed out loud].|]",
        what="the wind carried the {T} away", why="the wind had carried the {T} away", how="{G} found the {T} {spot}"),
    "magpie": dict(
        trouble="[one day|one morning|one bright day], a [cheeky|sly|bold] magpie [flew down|came flying]. it liked [everything that was new|pretty things], so it [grabbed|took] the {T} and flew off with it. \"[stop|come back], that is mine!\" [shouted|called] {H}, but the magpie only laughed.[ {H} [was very angry and very sad|did not know what to do].|]",
        lament="[a magpie stole my {T}|a magpie flew away with my {T}]!",
        rescue="they found the {T} {spot}, where the magpie [hid|kept] [its treasure|all that it had stolen]. {G} [offered|showed] the magpie [a handful of berries|a slice of plum cake|a shiny pebble] and asked [politely|nicely] for the {T}. the magpie [thought about it|blushed] and gave it back.[ \"[I am sorry|I only wanted to look at it],\" it said.|]",
        what="a magpie stole the {T}", why="a magpie had stolen the {T}", how="{G} gave the magpie a present and got the {T} back"),
    "broken": dict(
        trouble="[one day|one evening|one rainy day], {H} [was in a great hurry|ran too fast|did not look where {he} was going]. {He} [tripped over a root|stumbled over a stone|slipped on the wet grass], and the {T} [fell to the ground and broke|hit a stone and broke]. [{H} picked up the pieces one by one.|{H} looked at the pieces and could not say a word.|] [{His} [heart was heavy|eyes were full of tears].|]",
        lament="[my {T} is broken|I broke my {T}, and nobody can mend it]!",
        rescue="{G} [took out|fetched] [some glue and a thread|a pot of glue|a little box of tools] and [sat down to work|set to work]. {H} [held the pieces|held the light] while {G} [mended|repaired] the {T}. it took [all afternoon|a long time|until supper], but [then|in the end] the {T} was [as good as new|whole again]. [only a small crack was left, and {H} liked it even better that way.|\"how clever you are!\" said {H}.|]",
        what="the {T} fell down and broke", why="the {T} was broken", how="{G} mended the {T}"),
    "mud": dict(
        trouble="[one day|one morning|after a night of rain], {H} [wanted to try a new path|took a short cut]. the ground was [wet|soft], and the {T} [slipped from {his} hands|fell] into [a deep hole|a deep pit full of mud]. {H} [pulled and pulled|tried and tried], but {he} could not [reach it|get it out].[ {He} [sighed|called for help] and [sat down|waited].|]",
        lament="[my {T} fell into the hole|my {T} is stuck, and my arms are too short]!",
        rescue="{G} [found|brought] [a long branch|a strong rope|a long pole]. \"hold me tight,\" {ghe} said and leaned over the edge. [once, twice, and at the third try|very slowly|with a loud plop] the {T} came out. it was [very dirty|covered with mud], [so they washed it together|so they had to wash it], and {H} [laughed with joy|hugged {G}].",
        what="the {T} fell into a deep hole", why="the {T} was stuck in a deep hole", how="{G} pulled the {T} out of the hole"),
    "night": dict(
        trouble="[one evening|one day], {H} [walked too far|forgot the time] and [lost the way|could not find the way back]. it grew dark, and [it began to rain|strange noises came from all sides]. {H} held the {T} [tightly|close] and was [very much afraid|cold and frightened]. \"[is anybody there|hello, can anyone hear me]?\" {he} called.",
        lament="[I am lost|I cannot find my way home]!",
        rescue="{G} knew [every stone of the way|the way even in the dark] and [walked ahead|took {him} by the hand]. they [sang a song|told each other jokes] so that the dark was less [dark|frightening]. [soon|at last] they saw [a light in a window|the lights of home]. \"[how can I thank you|what can I do for you]?\" asked {H}. \"[may I {use} once|may I {use} with you one day]?\" said {G}, and {H} [was happy to say yes|said yes at once].",
        what="{H} got lost in the dark", why="{H} was lost in the dark", how="{G} showed {H} the way home"),
    "forgotten": dict(
        trouble="[one morning|one day], {H} woke up and the {T} was [gone|not in its place]. {He} looked under the bed, behind the door and in every [drawer|corner], but {he} could not find it. {H} had [put it away too well|forgotten where {he} had put it].[ {He} was so [worried|upset] that {he} could not [eat|sit still].|]",
        talk=True, lament="[I lost my {T}|I cannot remember where I put my {T}]!",
        rescue="\"[Close your eyes|Take a deep breath],\" said {G}, \"and tell me what you did yesterday.\" {H} thought [hard|back] and told {ghim} [step by step|slowly]. [suddenly|all at once] {he} [jumped up|remembered]. they [ran|hurried] outside, and there was the {T}, {spot}, [just where {he} had left it|safe and dry].",
        what="{H} forgot where the {T} was", why="{H} could not find the {T}", how="{G} helped {H} to remember, and the {T} was {spot}"),
    "stage": dict(
        trouble="[one day|one spring], there was to be a [great feast|big party] {P}, and everybody [had to show|was to show] something. {H} wanted to bring the {T}, but {he} was [afraid|too shy]. \"[they will all laugh at me!|what if I do it wrong?]\" {he} thought and hid {spot}.",
        talk=True, lament="[I am afraid to show my {T}|everyone will look at me and my {T}]!",
        rescue="\"[Look only at me|I will stand beside you],\" said {G}, \"and [forget the others|think of something nice].\" {H} took [a deep breath|all {his} courage], stepped forward and {used}. [at first {his} knees shook, but then it went well|it went better and better]. [everybody clapped and cheered|they clapped until their hands hurt], and {G} clapped [the loudest|loudest of all].",
        what="{H} was too shy to show the {T}", why="{H} was afraid to show the {T}", how="{G} stood beside {H} and gave {him} courage"),
    "quarrel": dict(
        trouble="[one day|one afternoon], {aG} [came to visit|came by] and wanted to {use} too. \"[no, it is mine|nobody but me may touch it]!\" said {H} and turned away. {G} went off [without a word|with tears in {ghis} eyes]. now {H} had the {T}, but [it was no fun alone|{he} felt lonely]. {He} [thought about it all night|could not sleep].",
        lament="", meets=False,
        rescue="[the next morning|the next day], {H} [ran|went] to look for {G} and found {ghim} {spot}. \"I am sorry,\" said {H}. \"[let us share the {T}|the {T} is for both of us].\" {G} [smiled|wiped {ghis} nose and smiled]. \"[that is all I wanted|I am not angry any more],\" {ghe} said. then they {used} together, [and it was twice as much fun|and took turns all day].",
        what="{H} did not want to share the {T}", why="{H} was lonely after the quarrel with {G}", how="{H} said sorry and shared the {T} with {G}"),
    "cold": dict(
        trouble="[one cold day|one winter evening], {H} heard [somebody crying|a small voice]. it was {aG}, who [had hurt {ghis} foot|was hungry and cold] and could not [walk|go] any further. {H} did not [think twice|wait]. {He} [brought {ghim} home|shared {his} bread and soup with {ghim}] and {used} to cheer {ghim} up. but on the way, the {T} [was left in the snow|fell from {his} bag], and in the morning it was gone.",
        lament="", meets=False,
        rescue="\"you were good to me, now I will help you,\" said {G}. {Ghe} [followed the tracks|looked for tracks] in the snow and did not [rest|stop] until {ghe} found the {T} {spot}. \"[here it is|look what I found]!\" {ghe} [cried|called]. {H} [could hardly believe it|was so glad that {he} danced].",
        what="the {T} got lost in the snow", why="the {T} was lost in the snow", how="{G} followed the tracks and found the {T} {spot}"),
    "wish": dict(
        wish=True,
        trouble="[one day|one morning], {he} heard that {aTA} [was hidden|lay] {spot}, [not far from home|just a walk away]. {H} [packed some bread and cheese|put on {his} best shoes] and set out. but a [high|steep] wall [stood in the way|blocked the path], and {H} could not [climb it|get over it]. {He} [tried three times|tried again and again] and [fell down|slid back] each time.",
        lament="[I want to find the {T}, but the wall is too high|the {T} is behind this wall, and I cannot climb it]!",
        rescue="{G} [bent down|knelt down], and {H} [climbed on {ghis} back|stood on {ghis} shoulders]. [then|with one big jump] they were both on the other side. there was the {T}, {spot}, [just as they had heard|covered with dust]. {H} [wiped it clean|picked it up carefully]. {virtue}, and [it was even better than {he} had dreamed|{H} could not stop smiling].",
        what="a high wall kept {H} from the {T}", why="{H} could not get over the wall", how="{G} helped {H} over the wall"),
}

OPENINGS = [
    "[once upon a time|long ago|once|many years ago|a long time ago], [there was|there lived] {aHK} named {H}. {He} lived {PA}[, where {sight}|].",
    "{H} was {aHK} who lived {PA}[, where {sight}|].",
    "[once upon a time|long ago|once], {aHK} [named|called] {H} lived {PA}[, where {sight}|].",
    "{PA} [there lived|lived] {aHK} [named|called] {H}. [it was a place where {sight}.|]",
    "this is the story of {H}, {aHK} who lived {PA}[, where {sight}|].",
]

OWNING = [
    "{He} had {aTA}, and {he} loved it [very much|more than anything|with all {his} heart]. {virtue}.",
    "{His} [best|dearest] treasure was {aTA}. [{virtue}.|{He} [never went out|went nowhere] without it.]",
    "for {his} birthday, {his} [grandmother|grandfather|mother|father|aunt|uncle] had given {him} {aTA}. {virtue}.",
    "[one spring|one summer], {he} [found|made|was given] {aTA}. {virtue}, and {H} [was very proud of it|took good care of it].",
    "what {he} [loved|liked] most was {his} {TA}. [{virtue}.|{virtue}, and {H} never grew tired of it.]",
]
HABITS = ["[every day|every morning|every evening|after breakfast|when the sun came out], {he} {used}[ and was happy|].", "", ""]
WISHING = [
    "{H} had only one wish: {aTA}. {virtue}[, everyone said|].",
    "{He} [dreamed|thought] of {aTA} [day and night|all the time]. {virtue}[, people said|].",
]

ENDINGS = [
    "from that day on, {H} and {G} were [the best of friends|good friends]. [every evening|every Sunday|whenever they met], they {used} together {P}, and {H} [was never lonely again|never forgot what {G} had done].",
    "[that evening|in the evening], {H} and {G} {used} {P} until the stars came out. \"[a friend is worth more than any treasure|it is good to have a friend],\" said {H}, and {G} [agreed|smiled].",
    "{H} [went home happy|came home happy and tired] with the {T}. and if you ever [come to {p}|walk past {p}], you may see [{him} and {G}|{H} and {G}], who still {use} together.",
    "so the {T} was safe, and {H} had a new friend. [on warm days|on quiet evenings] {H} and {G} met {P} and {used}. [\"one good turn deserves another,\" said {G}.|{H} smiled and was happy.]",
    "{H} learned that [a friend in need is a friend indeed|no trouble is too big for two|help is often nearer than you think]. the {T} [got a place of honour|was never left alone again], and {P} one could often hear [{H} and {G} laughing|the laughter of {H} and {G}].",
    "[from then on|after that], {H} shared the {T} with {G}, and all was well {P}. [when winter came, they sat by the fire and told this story again and again|and when {H} {used}, {he} always thought of {G}].",
]
