// Keeps the status page fresh: asks for it anew and changes only what differs, so that scrolling, focus and
// selections stay. Filters, sorting and links of the page work the same way; without this file they load the page.

const MILLISECONDS = 1000;
const LONGEST_WAIT = 30 * MILLISECONDS;
const TYPING_PAUSE = 250;

const form = document.querySelector("#filters");
const pause = document.querySelector("#pause");
const offline = document.querySelector("#offline");
const announcer = document.querySelector("#announcer");
const freshness = document.querySelector('[data-live="freshness"]');

let timer = 0;
let typing = 0;
let request = new AbortController();
let paused = false;
let selected = null;

// --- changing what differs ---

/** Makes an element or text like a fresh one. */
function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType === Node.TEXT_NODE) {
    if (!selected?.intersectsNode(old)) old.data = fresh.data;
    return;
  }
  morphAttributes(old, fresh);
  if (fresh.hasAttribute("data-keyed")) morphRows(old, fresh);
  else morphChildren(old, fresh);
}

function morphAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function morphChildren(old, fresh) {
  const olds = [...old.childNodes];
  const freshes = [...fresh.childNodes];
  freshes.forEach((node, index) => {
    const before = olds[index];
    if (!before) old.append(node);
    else if (before.nodeName === node.nodeName) morph(before, node);
    else before.replaceWith(node);
  });
  olds.slice(freshes.length).forEach((node) => selected?.intersectsNode(node) || node.remove());
}

/** Changes rows by their keys. While somebody selects text in them none comes, goes or moves. */
function morphRows(old, fresh) {
  const rows = [...fresh.children];
  const known = new Map([...old.children].map((row) => [row.dataset.key, row]));
  if (selected?.intersectsNode(old)) {
    rows.filter((row) => known.has(row.dataset.key)).forEach((row) => morph(known.get(row.dataset.key), row));
    return;
  }
  const keys = new Set(rows.map((row) => row.dataset.key));
  known.forEach((row, key) => keys.has(key) || row.remove());
  let place = old.firstElementChild;
  for (const row of rows) {
    const before = known.get(row.dataset.key);
    if (before) morph(before, row);
    if (before && before === place) place = place.nextElementSibling;
    else old.insertBefore(before ?? row, place);
  }
}

/** What somebody has selected. Asked once for each look: every question costs a layout of the whole page. */
function selection() {
  const found = getSelection();
  return found && !found.isCollapsed ? found.getRangeAt(0) : null;
}

// --- asking anew ---

/** Asks for the page as its address says, shows it, and plans the next time. */
async function refresh() {
  clearTimeout(timer);
  request.abort();
  const mine = new AbortController();
  request = mine;
  const html = await ask(mine.signal).catch(() => "");
  if (mine.signal.aborted) return;
  try {
    if (html) show(new DOMParser().parseFromString(html, "text/html"));
    else tell(offline, true);
  } finally {
    plan();
  }
}

/** Gives the page as its address says now. */
async function ask(signal) {
  // Not location.href: fetch refuses an address with a user's name in it.
  const address = location.origin + location.pathname + location.search;
  const response = await fetch(address, { signal: AbortSignal.any([signal, AbortSignal.timeout(LONGEST_WAIT)]) });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.text();
}

/** Shows what differs in a page that was asked for. */
function show(page) {
  const script = (document_) => document_.querySelector("script")?.getAttribute("src");
  // Another version of the exporter answers.
  if (script(page) !== script(document)) return location.reload();
  const banner = bannerText();
  selected = selection();
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${part.dataset.live}"]`);
    if (fresh) morph(part, fresh);
  }
  document.title = page.title;
  tell(offline, false);
  if (bannerText() !== banner) announce(bannerText() || "Nothing needs attention any more.");
}

/** Plans the next look, unless nobody looks. */
function plan() {
  clearTimeout(timer);
  if (!paused && !document.hidden) timer = setTimeout(refresh, freshness.dataset.every * MILLISECONDS);
}

// --- telling ---

function bannerText() {
  return document.querySelector("#attention")?.textContent.replace(/\s+/g, " ").trim() ?? "";
}

/** Shows or hides a message; it is spoken when it comes. */
function tell(message, wanted) {
  if (message.hidden !== wanted) return;
  message.hidden = !wanted;
  if (wanted) announce(message.textContent);
}

function announce(text) {
  announcer.textContent = text.replace(/\s+/g, " ").trim();
}

// --- filters, links, keys ---

/** Goes to another address of this page without leaving it. */
async function go(search, keep) {
  history[keep ? "replaceState" : "pushState"](null, "", location.pathname + search);
  await refresh();
  announce(document.querySelector("#result").textContent);
}

/** Goes where the form says. */
function filter() {
  clearTimeout(typing);
  const usual = { order: "asc" };
  const wanted = [...new FormData(form)].filter(([name, value]) => value !== (usual[name] ?? ""));
  const search = new URLSearchParams(wanted).toString();
  return go(search && `?${search}`, true);
}

/** Lets the form say what the address says. */
function fillForm() {
  const wanted = new URLSearchParams(location.search);
  for (const field of form.querySelectorAll("select, input[type=search]")) {
    field.value = wanted.get(field.name) ?? (field.name === "order" ? "asc" : "");
  }
}

form.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(filter, TYPING_PAUSE);
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  filter();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-stay]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const { search } = new URL(link.href);
  go(search, false);
  fillForm();
});

pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Resume updates" : "Pause updates";
  if (paused) plan();
  else refresh();
});

addEventListener("popstate", () => {
  fillForm();
  refresh();
});
document.addEventListener("visibilitychange", () => (document.hidden || paused ? plan() : refresh()));

pause.hidden = false;
form.classList.add("instant");
plan();
