// Keeps the page up to date: asks for the list twice a second, and only when it changed puts new cards in place.
// The cards come rendered (and escaped) from the server; nothing here turns text into markup.
"use strict";

const INTERVAL_MS = 500;
const main = document.getElementById("inbox");
const live = document.querySelector(".live");
const stopped = document.querySelector(".stopped");
const news = document.querySelector(".news");
const clear = document.querySelector("button.clear");
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
let tag = null;
let timer = null;

function say(state, words) {
  if (live.dataset.state === state) return;
  live.dataset.state = state;
  live.querySelector(".live-text").textContent = words;
  stopped.hidden = state !== "stopped";
}

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.textContent = clock.format(at);
    time.title = at.toString();
  }
}

function copyButtons(root) {
  for (const button of root.querySelectorAll("button.copy")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      button.textContent = "Copied";
    });
  }
}

const cards = (root) => [...root.querySelectorAll(".text, .mail")];

// A card that is already on the page is kept as it is: its frame, its tab, whether it is open, where the focus is.
function put(fresh) {
  const old = new Map(cards(main).map((card) => [card.id, card]));
  const arrived = [];
  const frame = main.querySelector(".columns");
  const next = fresh.querySelector(".columns");
  for (const card of cards(fresh)) {
    if (!old.has(card.id)) arrived.push(card);
  }
  localTimes(fresh);
  copyButtons(fresh);
  if (frame && next) {
    for (const list of ["texts", "mails"]) merge(frame.querySelector(`ol.${list}`), next.querySelector(`ol.${list}`));
    for (const id of ["texts-title", "mails-title", "texts-more", "mails-more"]) {
      document.getElementById(id).replaceWith(fresh.querySelector(`#${id}`));
    }
    const trouble = [...fresh.children].find((child) => child.matches(".trouble"));
    main.querySelector(":scope > .trouble")?.remove();
    if (trouble) main.prepend(trouble);
  } else {
    main.replaceChildren(...fresh.childNodes);
  }
  announce(arrived);
}

function merge(list, wanted) {
  const ids = new Set([...wanted.children].map((card) => card.id));
  for (const card of [...list.children]) if (!card.id || !ids.has(card.id)) card.remove();
  let place = list.firstElementChild;
  for (const card of [...wanted.children]) {
    if (place && place.id === card.id) { place = place.nextElementSibling; continue; }
    list.insertBefore(card, place);
  }
}

function announce(arrived) {
  clear.hidden = cards(main).length === 0;
  if (!arrived.length) return;
  for (const card of arrived) card.classList.add("arrived");
  const last = arrived[0].dataset.news;
  news.textContent = arrived.length === 1 ? `${last} arrived.` : `${arrived.length} messages arrived.`;
}

async function look() {
  const asked = await fetch(document.body.dataset.listing + "?limit=50", { cache: "no-cache" });
  if (!asked.ok) throw new Error(`status ${asked.status}`);
  const now = asked.headers.get("ETag");
  if (now === tag) return;
  const answer = await fetch(document.body.dataset.cards);
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = document.createDocumentFragment();
  fresh.append(...parsed.body.childNodes);
  put(fresh);
  tag = now;
}

async function turn() {
  timer = null;
  try {
    await look();
    say("live", "Live");
  } catch {
    say("stopped", "Stopped");
  }
  schedule();
}

function schedule() {
  if (document.hidden) { say("paused", "Paused"); return; }
  if (timer === null) timer = setTimeout(turn, INTERVAL_MS);
}

document.addEventListener("visibilitychange", schedule);
clear.addEventListener("click", async () => {
  await fetch(document.body.dataset.listing, { method: "DELETE" });
  main.focus();
});
localTimes(main);
copyButtons(main);
clear.hidden = cards(main).length === 0;
schedule();
