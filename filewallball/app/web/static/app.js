// Times in the browser's zone, and uploads with a bar that go on by themselves after a broken connection.
// Without this script the pages work too.
"use strict";

const TRIES = 8;
const PIECE = 32 * 1024 * 1024;

for (const time of document.querySelectorAll("time")) {
  const value = time.dateTime;
  const at = new Date(/^[0-9.]+$/.test(value) ? Number(value) * 1000 : value);
  if (!Number.isNaN(at.getTime())) {
    time.title = at.toLocaleString(document.documentElement.lang);
    time.textContent = at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  }
}

const form = document.querySelector("form.upload");
if (form) prepare(form);

function prepare(form) {
  const input = form.elements.file;
  const drop = form.querySelector(".drop");
  const hint = form.querySelector(".hint");
  const asked = hint.textContent;
  form.classList.add("scripted");
  input.addEventListener("change", () => { hint.textContent = input.files[0] ? input.files[0].name : asked; });
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, () => drop.classList.add("over"));
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  form.addEventListener("submit", (event) => {
    const file = input.files[0];
    if (!file || file.size === 0) return; // an empty file goes as a form
    event.preventDefault();
    upload(form, file);
  });
}

async function upload(form, file) {
  const button = form.querySelector("button");
  const progress = form.querySelector(".progress");
  const line = progress.querySelector("p");
  button.disabled = true;
  progress.hidden = false;
  try {
    line.textContent = form.dataset.working;
    const begun = await call(form, "POST", "/api/v1/uploads", JSON.stringify({
      name: file.name, size: file.size, type: file.type || null, shared: form.elements.shared.checked,
    }));
    await send(form, file, begun.id, line, progress.querySelector("progress"));
    location.assign("/files");
  } catch (error) {
    line.textContent = error.detail || form.dataset.failed;
    button.disabled = false;
  }
}

async function send(form, file, id, line, bar) {
  let received = 0;
  let tries = 0;
  while (received < file.size) {
    try {
      const end = Math.min(received + PIECE, file.size);
      const found = await put(form, file, id, received, end, (count) => {
        bar.value = count / file.size;
        line.textContent = `${form.dataset.working}: ${Math.floor(100 * count / file.size)} %`;
      });
      received = found.sha256 ? file.size : found.received;
      tries = 0;
    } catch (error) {
      tries += 1;
      const passing = !error.status || error.status === 409 || error.status >= 500;
      if (!passing || tries > TRIES) throw error;
      line.textContent = form.dataset.again;
      await new Promise((resolve) => setTimeout(resolve, Math.min(500 * 2 ** tries, 10000)));
      const found = await call(form, "GET", `/api/v1/uploads/${id}`).catch(() => null);
      if (found) received = found.received;
    }
  }
}

function put(form, file, id, start, end, told) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch tells nothing of an upload's progress
    request.open("PUT", `/api/v1/uploads/${id}`);
    request.responseType = "json";
    request.setRequestHeader("X-CSRF-Token", form.dataset.csrf);
    request.setRequestHeader("Content-Range", `bytes ${start}-${end - 1}/${file.size}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => told(start + Math.min(event.loaded, end - start)));
    request.addEventListener("error", () => reject({}));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(request.response);
      else reject({ status: request.status, detail: request.response && request.response.detail });
    });
    request.send(file.slice(start, end));
  });
}

async function call(form, method, path, body) {
  const headers = { "X-CSRF-Token": form.dataset.csrf };
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body });
  const found = await answer.json();
  if (!answer.ok) throw { status: answer.status, detail: found.detail };
  return found;
}
