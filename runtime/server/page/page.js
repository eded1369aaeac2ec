// The page at "/": a conversation with the model over the same routes that every client uses.
// Text of the model only ever becomes text nodes, never markup.

const element = (id) => document.getElementById(id);
const conversation = element("conversation");
const prompt = element("prompt");

let messages = []; // {role, content}, without the system prompt
let running = null; // AbortController of the answer that is being written
let model = "";
let keyRefused = false; // nothing is asked again before another key is there

// ---- What is remembered -------------------------------------------------------------------------

const remembered = { system: "system", temperature: "temperature", "max-tokens": "max_tokens" };

// Storage may be forbidden: then nothing is remembered.
function recall(storage, key) {
  try { return window[storage].getItem("nibble." + key) ?? ""; } catch { return ""; }
}
function remember(storage, key, value) {
  try { window[storage].setItem("nibble." + key, value); } catch { /* nothing is remembered */ }
}

for (const id of Object.keys(remembered)) {
  element(id).value = recall("localStorage", id);
  element(id).addEventListener("change", () => remember("localStorage", id, element(id).value));
}
element("key").value = recall("sessionStorage", "key");
element("key").addEventListener("change", () => remember("sessionStorage", "key", element("key").value));

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}
const systemTheme = matchMedia("(prefers-color-scheme: dark)");
const theme = () => recall("localStorage", "theme") || (systemTheme.matches ? "dark" : "light");
setTheme(theme());
systemTheme.addEventListener("change", () => setTheme(theme()));
element("theme").addEventListener("click", () => {
  remember("localStorage", "theme", theme() === "dark" ? "light" : "dark");
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
});

// ---- Requests -----------------------------------------------------------------------------------

function headers(more = {}) {
  const key = element("key").value.trim();
  return key ? { ...more, Authorization: "Bearer " + key } : more;
}

// An error with the server's own words, where it had some.
async function failureOf(response) {
  const body = await response.text();
  let message = body.trim().slice(0, 500);
  try { message = JSON.parse(body).error.message ?? message; } catch { /* not JSON: the text as it is */ }
  const wait = response.headers.get("Retry-After");
  if ((response.status === 429 || response.status === 503) && wait)
    message += ` Try again in ${wait} s.`;
  return Object.assign(new Error(message || `The server answered ${response.status}.`), { status: response.status });
}

async function loadModel() {
  try {
    const response = await fetch("v1/models", { headers: headers() });
    keyRefused = response.status === 401;
    if (keyRefused)
      return askForKey();
    model = (await response.json()).data[0].id;
    element("model").textContent = model;
    element("model").title = model;
    document.title = model + " – Nibble";
  } catch { /* the queue's lamp tells that there is no connection */ }
}

// The objects in a stream of "data: {...}" events.
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done)
      return;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:"))
        continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]")
        return;
      yield JSON.parse(data);
    }
  }
}

function requestBody() {
  const system = element("system").value.trim();
  const body = {
    model,
    messages: system ? [{ role: "system", content: system }, ...messages] : messages,
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
  };
  for (const [id, field] of Object.entries(remembered))
    if (id !== "system" && element(id).value !== "" && element(id).validity.valid)
      body[field] = Number(element(id).value);
  return body;
}

// ---- Messages on the page -----------------------------------------------------------------------

const scroll = element("scroll");
let follows = true; // the end of the conversation stays in view until one scrolls away from it
scroll.addEventListener("scroll", () => {
  follows = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
}, { passive: true });
function follow() {
  if (follows)
    scroll.scrollTop = scroll.scrollHeight;
}

async function copy(text, button) {
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no clipboard without https, except on this machine: the old way
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    copied = document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.textContent = copied ? "Copied" : "Not copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

function addMessage(role, content) {
  const article = element("message").content.firstElementChild.cloneNode(true);
  article.classList.add(role);
  const text = document.createTextNode(content);
  article.querySelector(".text").append(text);
  const button = article.querySelector(".copy");
  button.addEventListener("click", () => copy(text.data, button));
  conversation.append(article);
  element("welcome").hidden = true;
  return { article, text, figures: article.querySelector(".figures") };
}

// What came of an answer before it failed goes with the failure.
function removeFailures() {
  for (const failed of conversation.querySelectorAll(".error, .broken"))
    failed.remove();
}

function showFailure(message) {
  const box = element("failure").content.firstElementChild.cloneNode(true);
  box.querySelector(".reason").textContent = message;
  box.querySelector(".again").addEventListener("click", () => {
    if (running)
      return;
    removeFailures();
    answer();
  });
  conversation.append(box);
  follow();
}

// Times of one answer, as its reader sees them.
class Figures {
  sent = performance.now();
  first = 0;
  last = 0;
  tokens = 0;

  count(usage) {
    this.last = performance.now();
    this.first ||= this.last;
    this.tokens = usage?.completion_tokens ?? this.tokens + 1;
  }
  toString() {
    if (!this.tokens)
      return "";
    const wait = this.first - this.sent, seconds = (this.last - this.first) / 1000;
    const parts = [`${this.tokens} ${this.tokens === 1 ? "token" : "tokens"}`];
    if (this.tokens > 1 && seconds > 0) {
      const rate = (this.tokens - 1) / seconds;
      parts.push(`${rate.toFixed(rate < 100 ? 1 : 0)} tokens/s`);
    }
    parts.push(`first after ${wait < 1000 ? wait.toFixed(0) + " ms" : (wait / 1000).toFixed(1) + " s"}`);
    return parts.join(" · ");
  }
}

// ---- Asking -------------------------------------------------------------------------------------

function showRunning(isRunning) {
  const hadFocus = document.activeElement === element(isRunning ? "send" : "stop");
  element("send").hidden = isRunning;
  element("stop").hidden = !isRunning;
  if (hadFocus)
    (isRunning ? element("stop") : prompt).focus();
  fit();
}

// Asks for an answer to the conversation as it stands.
async function answer() {
  running = new AbortController();
  const { signal } = running;
  const shown = addMessage("assistant", "");
  shown.article.classList.add("running");
  shown.article.setAttribute("aria-busy", "true");
  follows = true;
  follow();
  showRunning(true);
  const figures = new Figures();
  let ending = "", failure = null;
  try {
    const response = await fetch("v1/chat/completions", {
      method: "POST", signal, headers: headers({ "Content-Type": "application/json" }),
      body: JSON.stringify(requestBody()),
    });
    if (!response.ok)
      throw await failureOf(response);
    for await (const event of eventsOf(response.body)) {
      signal.throwIfAborted(); // of what came already nothing more is shown
      if (event.error)
        throw new Error(event.error.message ?? "The server broke the answer off.");
      const choice = event.choices?.[0];
      if (choice?.delta?.content)
        shown.text.appendData(choice.delta.content);
      if (choice?.delta?.content || (choice && !choice.finish_reason))
        figures.count(event.usage);
      else if (event.usage)
        figures.tokens = event.usage.completion_tokens;
      ending = choice?.finish_reason ?? ending;
      shown.figures.textContent = figures;
      follow();
    }
    if (!ending)
      failure = new Error("The connection ended before the answer did.");
  } catch (error) {
    if (signal.aborted)
      ending = "stopped";
    else
      failure = error instanceof TypeError ? new Error("The server cannot be reached.") : error;
  }
  // After "New conversation" this answer belongs to nothing that is shown.
  const isCurrent = running?.signal === signal;
  if (!isCurrent)
    return;
  running = null;
  shown.article.classList.remove("running");
  shown.article.removeAttribute("aria-busy");
  showRunning(false);
  const note = { length: " · as long as allowed", stopped: " · stopped" }[ending] ?? "";
  shown.figures.textContent = figures + (figures.tokens ? note : note.slice(3));
  if (!shown.text.data && (failure || ending === "stopped"))
    shown.article.remove();
  if (failure) {
    shown.article.classList.add("broken");
    showFailure(failure.message);
    if (failure.status === 401)
      askForKey();
  } else if (shown.article.isConnected) {
    messages.push({ role: "assistant", content: shown.text.data });
  }
  poll();
}

function submit(text) {
  if (running || !text.trim())
    return;
  removeFailures();
  // What was asked without success is replaced, so that roles alternate.
  if (messages.at(-1)?.role === "user") {
    messages.pop();
    [...conversation.querySelectorAll(".message.user")].at(-1)?.remove();
  }
  messages.push({ role: "user", content: text });
  addMessage("user", text);
  answer();
}

element("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running)
    return;
  const text = prompt.value;
  prompt.value = "";
  submit(text);
  fit();
});
element("stop").addEventListener("click", () => running?.abort());
element("new").addEventListener("click", () => {
  const answering = running;
  running = null;
  answering?.abort();
  messages = [];
  conversation.replaceChildren();
  element("welcome").hidden = false;
  showRunning(false);
  prompt.focus();
});
for (const button of document.querySelectorAll(".examples button"))
  button.addEventListener("click", () => { submit(button.textContent); prompt.focus(); });

prompt.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    element("composer").requestSubmit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && running && !element("settings").open)
    running.abort();
});

// The field is as high as its text, and there is nothing to send where it is empty.
function fit() {
  prompt.style.height = "auto";
  prompt.style.height = prompt.scrollHeight + "px";
  element("send").disabled = !prompt.value.trim();
}
prompt.addEventListener("input", fit);
fit();

// ---- Settings -----------------------------------------------------------------------------------

function openSettings() {
  if (!element("settings").open)
    element("settings").showModal();
}
function askForKey() {
  element("key-wanted").hidden = false;
  openSettings();
  element("key").select(); // and focused: what is typed takes its place
}
element("open-settings").addEventListener("click", openSettings);
element("settings").addEventListener("close", () => {
  element("key-wanted").hidden = true;
  prompt.focus();
  if (!model)
    loadModel();
  poll();
});

// ---- The queue ----------------------------------------------------------------------------------

// The sum of a metric's samples in Prometheus' text format.
function metric(text, name) {
  let sum = 0;
  for (const line of text.split("\n"))
    if (line.startsWith(name + "{") || line.startsWith(name + " "))
      sum += Number(line.slice(line.lastIndexOf(" ") + 1));
  return sum;
}

let timer = 0;
async function poll() {
  clearTimeout(timer);
  const queue = element("queue");
  let pause = 1000;
  try {
    const response = await fetch("metrics", { headers: headers(), signal: AbortSignal.timeout(5000) });
    if (!response.ok)
      throw new Error(response.status === 401 ? "API key needed" : `status ${response.status}`);
    const text = await response.text();
    const [active, waiting] = ["running", "waiting"].map((state) => metric(text, "vllm:num_requests_" + state));
    const used = 100 * metric(text, "vllm:kv_cache_usage_perc");
    element("running").textContent = active;
    element("waiting").textContent = waiting;
    element("cache").textContent = (used > 0 && used < 10 ? used.toFixed(1) : used.toFixed(0)) + "%";
    element("cache-bar").style.width = Math.min(100, used) + "%";
    queue.className = "queue " + (active || waiting ? "busy" : "idle");
    if (!model && !keyRefused)
      loadModel();
  } catch (error) {
    // fetch() says TypeError where nobody answers, and TimeoutError where it takes too long.
    document.querySelector(".offline").textContent = error.constructor === Error ? error.message : "no connection";
    queue.className = "queue lost";
    pause = 3000;
  }
  clearTimeout(timer);
  timer = setTimeout(() => { if (!document.hidden) poll(); }, pause);
}
document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });

loadModel();
poll();
