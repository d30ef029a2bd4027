// Updates the status page, or the page of an operation: loads it again and changes only the differences, so that the scroll position, the focus and
// the selection stay. Filters, sorting and links work the same way. Without this file they load the page.

const MILLISECONDS = 1000;
const REQUEST_TIMEOUT = 30 * MILLISECONDS;
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

// --- changes ---

/** Changes an element or text until it equals the new one. */
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

/** Changes rows by their keys. While text in them is selected, no row is added, removed or moved. */
function morphRows(old, fresh) {
  const rows = [...fresh.children];
  const known = new Map([...old.children].map((row) => [row.dataset.key, row]));
  if (selected?.intersectsNode(old)) {
    rows.filter((row) => known.has(row.dataset.key)).forEach((row) => morph(known.get(row.dataset.key), row));
    return;
  }
  const keys = new Set(rows.map((row) => row.dataset.key));
  known.forEach((row, key) => keys.has(key) || row.remove());
  let next = old.firstElementChild;
  for (const row of rows) {
    const before = known.get(row.dataset.key);
    if (before) morph(before, row);
    if (before && before === next) next = next.nextElementSibling;
    else old.insertBefore(before ?? row, next);
  }
}

/** Returns the selected range. Called once per update, because each call costs a layout of the whole page. */
function selection() {
  const found = getSelection();
  return found && !found.isCollapsed ? found.getRangeAt(0) : null;
}

// --- updates ---

/** Loads the page at the current address, shows it, and schedules the next update. */
async function refresh() {
  clearTimeout(timer);
  request.abort();
  const current = new AbortController();
  request = current;
  const page = await load(current.signal).catch(() => null);
  if (current.signal.aborted) return;
  try {
    if (page) show(page);
    else toggle(offline, true);
  } finally {
    schedule();
  }
}

/** Returns the page at the current address. */
async function load(signal) {
  // Not location.href, because fetch rejects an address with a user name.
  const address = location.origin + location.pathname + location.search;
  const response = await fetch(address, { signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT)]) });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  // The exporter's page about an unknown operation has status 404. Pages of proxies have no such parts.
  if (!response.ok && !page.querySelector("[data-live]")) throw new Error(`status ${response.status}`);
  return page;
}

/** Shows the differences to a loaded page. */
function show(page) {
  const script = (document_) => document_.querySelector("script")?.getAttribute("src");
  // The response comes from another version of the exporter.
  if (script(page) !== script(document)) return location.reload();
  const banner = bannerText();
  selected = selection();
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${part.dataset.live}"]`);
    if (fresh) morph(part, fresh);
  }
  document.title = page.title;
  toggle(offline, false);
  if (bannerText() !== banner) announce(bannerText() || announcer.dataset.default);
}

/** Schedules the next update, unless updates are paused or the page is hidden. */
function schedule() {
  clearTimeout(timer);
  if (!paused && !document.hidden) timer = setTimeout(refresh, freshness.dataset.every * MILLISECONDS);
}

// --- messages ---

function bannerText() {
  return document.querySelector("#attention")?.textContent.replace(/\s+/g, " ").trim() ?? "";
}

/** Shows or hides a message. Screen readers announce it when it appears. */
function toggle(message, shown) {
  if (message.hidden !== shown) return;
  message.hidden = !shown;
  if (shown) announce(message.textContent);
}

function announce(text) {
  announcer.textContent = text.replace(/\s+/g, " ").trim();
}

// --- filters, links, keys ---

/** Changes the address of the page without a full load. */
async function go(search, keep) {
  history[keep ? "replaceState" : "pushState"](null, "", location.pathname + search);
  await refresh();
  announce(document.querySelector("#result").textContent);
}

/** Applies the filters of the form. */
function filter() {
  clearTimeout(typing);
  const defaults = { order: "asc" };
  const filters = [...new FormData(form)].filter(([name, value]) => value !== (defaults[name] ?? ""));
  const search = new URLSearchParams(filters).toString();
  return go(search && `?${search}`, true);
}

/** Sets the form to the filters of the address. */
function fillForm() {
  if (!form) return;
  const filters = new URLSearchParams(location.search);
  for (const field of form.querySelectorAll("select, input[type=search]")) {
    field.value = filters.get(field.name) ?? (field.name === "order" ? "asc" : "");
  }
}

form?.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(filter, TYPING_PAUSE);
});

form?.addEventListener("submit", (event) => {
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
  if (paused) schedule();
  else refresh();
});

addEventListener("popstate", () => {
  fillForm();
  refresh();
});
document.addEventListener("visibilitychange", () => (document.hidden || paused ? schedule() : refresh()));

pause.hidden = false;
form?.classList.add("instant");
schedule();
