// Uploads dropped or chosen files, one after another: asks for a presigned POST for each, then sends it straight to S3.
const zone = document.querySelector(".drop");
const input = document.getElementById("files");
const list = document.getElementById("uploads");
const news = document.getElementById("news");
const waiting = [];
let busy = false;
let sent = 0;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text; // never markup: the name is the file's
  return made;
}

function add(file) {
  const entry = { file, item: element("li"), bar: element("progress"), state: element("span", "note", "waiting") };
  entry.bar.max = 1;
  entry.bar.value = 0;
  entry.bar.setAttribute("aria-label", file.name);
  entry.item.append(element("b", "what", file.name), entry.bar, entry.state);
  list.append(entry.item);
  waiting.push(entry);
}

async function permission(file) {
  const body = new URLSearchParams({ name: file.name, size: file.size, type: file.type });
  const response = await fetch(zone.dataset.to || location.href, { method: "POST", body, credentials: "omit" });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function send(entry, { url, fields }) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", entry.file); // last: S3 ignores what follows
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.upload.addEventListener("progress", (event) => {
      entry.bar.value = event.loaded / event.total;
      entry.state.textContent = `${Math.floor((100 * event.loaded) / event.total)} %`;
    });
    request.addEventListener("load", () => (request.status < 300 ? resolve() : reject(new Error(`Not uploaded: S3 answered ${request.status}.`))));
    request.addEventListener("error", () => reject(new Error("Not uploaded: the connection failed, or the bucket's CORS rules do not allow this page.")));
    request.send(form);
  });
}

async function upload(entry) {
  entry.state.textContent = "starting";
  if (entry.file.size > Number(zone.dataset.max)) throw new Error(`Not uploaded: a file may have at most ${zone.dataset.size}.`);
  if (entry.file.size === 0) throw new Error("Not uploaded: it is empty, or a folder.");
  await send(entry, await permission(entry.file));
}

async function work() {
  if (busy) return;
  busy = true;
  for (let entry = waiting.shift(); entry; entry = waiting.shift()) {
    try {
      await upload(entry);
      sent += 1;
      entry.state.textContent = "uploaded";
      entry.item.dataset.done = "yes";
      entry.bar.value = 1;
    } catch (error) {
      entry.state.textContent = error.message;
      entry.item.dataset.failed = "yes";
      entry.bar.remove();
    }
    news.textContent = `${entry.file.name}: ${entry.state.textContent}. ${sent} uploaded.`;
  }
  busy = false;
}

function take(files) {
  [...files].forEach(add);
  work();
}

// The whole page takes files: a browser would open one that misses the zone.
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  zone.classList.add("over");
});
document.addEventListener("dragleave", () => zone.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  zone.classList.remove("over");
  take(event.dataTransfer.files);
});
input.addEventListener("change", () => {
  take(input.files);
  input.value = "";
});
window.addEventListener("beforeunload", (event) => busy && event.preventDefault());
zone.hidden = false;
