// Keeps the page up to date: polls the list twice a second and inserts new cards when it has changed.
// The server renders and escapes the cards; this script never turns text into markup.
"use strict";

const INTERVAL_MS = 500;
const main = document.getElementById("inbox");
const live = document.querySelector(".live");
const stopped = document.querySelector(".stopped");
const news = document.querySelector(".news");
const clear = document.querySelector("button.clear");
const zone = document.querySelector(".zone");
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
let etag = null;
let timer = null;

function showState(state, label) {
  if (live.dataset.state === state) return;
  live.dataset.state = state;
  live.querySelector(".live-text").textContent = label;
  stopped.hidden = state !== "stopped";
}

function showLocalTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.textContent = clock.format(at);
    time.title = at.toString();
  }
}

function enableCopyButtons(root) {
  for (const button of root.querySelectorAll("button.copy")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      button.textContent = "Copied";
    });
  }
}

function enableReplies(root) {
  for (const form of root.querySelectorAll("form.reply")) {
    form.hidden = form.elements.from.options.length === 0;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { from, body } = form.elements;
      const state = form.querySelector(".reply-state");
      if (!body.value.trim()) return;
      const text = JSON.stringify({ from: from.value, body: body.value });
      try {
        const response = await fetch(form.dataset.to, { method: "POST", headers: { "Content-Type": "application/json" }, body: text });
        state.textContent = response.ok ? `Sent: ${body.value}` : await response.text();
        if (response.ok) body.value = "";
      } catch {
        state.textContent = "Not sent: the local environment does not respond.";
      }
    });
  }
}

const cards = (root) => [...root.querySelectorAll(".text, .mail, .chat")];

// Cards already on the page are not replaced: they keep their frame, tab, open state and focus.
function update(fresh) {
  const known = new Set(cards(main).map((card) => card.id));
  const arrived = cards(fresh).filter((card) => !known.has(card.id));
  const columns = main.querySelector(".columns");
  const freshColumns = fresh.querySelector(".columns");
  showLocalTimes(fresh);
  enableCopyButtons(fresh);
  enableReplies(fresh);
  if (columns && freshColumns) {
    for (const list of ["texts", "chats", "mails"]) {
      merge(columns.querySelector(`ol.${list}`), freshColumns.querySelector(`ol.${list}`));
    }
    document.getElementById("chats").hidden = fresh.querySelector("#chats").hidden;
    for (const id of ["texts-title", "chats-title", "mails-title", "texts-more", "chats-more", "mails-more"]) {
      document.getElementById(id).replaceWith(fresh.querySelector(`#${id}`));
    }
    const form = columns.querySelector("form.reply"), from = form.elements.from, chosen = from.value;
    from.replaceChildren(...freshColumns.querySelector("form.reply").elements.from.options);
    if (chosen && [...from.options].some((option) => option.value === chosen)) from.value = chosen;
    form.hidden = from.options.length === 0;
    const trouble = [...fresh.children].find((child) => child.matches(".trouble"));
    main.querySelector(":scope > .trouble")?.remove();
    if (trouble) main.prepend(trouble);
  } else {
    main.replaceChildren(...fresh.childNodes);
  }
  announce(arrived);
}

function merge(list, freshList) {
  const ids = new Set([...freshList.children].map((card) => card.id));
  for (const card of [...list.children]) if (!card.id || !ids.has(card.id)) card.remove();
  let next = list.firstElementChild;
  for (const card of [...freshList.children]) {
    if (next && next.id === card.id) { next = next.nextElementSibling; continue; }
    list.insertBefore(card, next);
  }
}

function announce(arrived) {
  clear.hidden = cards(main).length === 0;
  if (!arrived.length) return;
  for (const card of arrived) card.classList.add("arrived");
  const newest = arrived[0].dataset.news;
  news.textContent = arrived.length === 1 ? `${newest} arrived.` : `${arrived.length} messages arrived.`;
}

async function refresh() {
  const listing = await fetch(document.body.dataset.listing + "?limit=50", { cache: "no-cache" });
  if (!listing.ok) throw new Error(`status ${listing.status}`);
  const current = listing.headers.get("ETag");
  if (current === etag) return;
  const response = await fetch(document.body.dataset.cards);
  if (!response.ok) throw new Error(`status ${response.status}`);
  const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = document.createDocumentFragment();
  fresh.append(...parsed.body.childNodes);
  update(fresh);
  etag = current;
}

async function poll() {
  timer = null;
  try {
    await refresh();
    showState("live", "Live");
  } catch {
    showState("stopped", "Stopped");
  }
  schedule();
}

function schedule() {
  if (document.hidden) { showState("paused", "Paused"); return; }
  if (timer === null) timer = setTimeout(poll, INTERVAL_MS);
}

document.addEventListener("visibilitychange", schedule);
clear.addEventListener("click", async () => {
  await fetch(document.body.dataset.listing, { method: "DELETE" });
  main.focus();
});
const zoneName = new Intl.DateTimeFormat("en", { timeZoneName: "long" }).formatToParts(new Date()).find((part) => part.type === "timeZoneName");
zone.textContent = `Times are in ${zoneName.value}`;
zone.hidden = false;
showLocalTimes(main);
enableCopyButtons(main);
enableReplies(main);
clear.hidden = cards(main).length === 0;
schedule();
