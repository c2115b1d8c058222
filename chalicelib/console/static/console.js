// Live updates: asks for the page's sections every few seconds and replaces those that changed. Without it, reload the page.
"use strict";

const EVERY_MS = 5000;
const source = document.querySelector("[data-poll]");
const pause = document.getElementById("pause");
let paused = false;

function isInUse(section) {
  return section.contains(document.activeElement) && document.activeElement !== document.body;
}

function keepOpen(before, after) {
  for (const details of before.querySelectorAll("details[open]")) {
    const same = details.id && after.querySelector(`#${CSS.escape(details.id)}`);
    if (same) same.open = true;
  }
}

function replaceChanged(fresh) {
  for (const after of fresh.querySelectorAll("[data-live]")) {
    const before = document.getElementById(after.id);
    if (!before || isInUse(before)) continue;
    keepOpen(before, after);
    if (before.outerHTML !== after.outerHTML) before.replaceWith(document.importNode(after, true));
  }
}

async function refresh() {
  if (paused || document.hidden) return;
  const response = await fetch(source.dataset.poll || location.href, { credentials: "same-origin", cache: "no-store" });
  if (response.status === 401) location.reload();
  if (!response.ok) return;
  replaceChanged(new DOMParser().parseFromString(await response.text(), "text/html"));
}

function again() {
  setTimeout(() => refresh().catch(() => {}).finally(again), EVERY_MS);
}

const done = document.getElementById("done");
if (done) {
  done.focus();
  history.replaceState(null, "", location.pathname); // shown once, not again after a reload
}

if (source) {
  if (pause) {
    pause.hidden = false;
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      pause.textContent = paused ? "Resume updates" : "Pause updates";
    });
  }
  again();
}
