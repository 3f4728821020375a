"use strict";
const camera = document.getElementById("camera");
const shown = document.getElementById("shown");
const state = document.getElementById("state");
const told = document.getElementById("told");
const grab = document.createElement("canvas");
const pauseMs = 150;
let watching = false;

function close(reason) {
  state.className = "closed";
  state.textContent = "closed: " + reason;
}

function headers(more) {
  const key = sessionStorage.getItem("longspan-key");
  return key ? { ...more, authorization: "Bearer " + key } : more;
}

async function ask(address, options = {}) {
  const made = () => fetch(address, { ...options, headers: headers(options.headers || {}) });
  let answer = await made();
  if (answer.status === 401) {
    const key = window.prompt("This turnstile asks for a key:");
    if (key) {
      sessionStorage.setItem("longspan-key", key);
      answer = await made();
    }
  }
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.detail || "status " + answer.status);
  return found;
}

function draw(source, width, height, decision) {
  shown.hidden = false;
  shown.width = width;
  shown.height = height;
  const pen = shown.getContext("2d");
  pen.drawImage(source, 0, 0, width, height);
  if (!decision || !decision.box) return;
  const [x0, y0, x1, y1] = decision.box;
  pen.strokeStyle = decision.open ? "#2ecc71" : "#e67e22";
  pen.lineWidth = Math.max(2, width / 200);
  pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
  const words = decision.name ? decision.name + " " + decision.similarity.toFixed(2) : "unknown";
  pen.font = Math.max(14, width / 30) + "px system-ui, sans-serif";
  pen.fillStyle = pen.strokeStyle;
  pen.fillText(words, x0, Math.max(16, y0 - 6));
}

async function look(source, width, height) {
  grab.width = width;
  grab.height = height;
  grab.getContext("2d").drawImage(source, 0, 0, width, height);
  const body = await new Promise((done) => grab.toBlob(done, "image/jpeg", 0.92));
  try {
    const decision = await ask("/look", { method: "POST", body, headers: { "content-type": "image/jpeg" } });
    draw(grab, width, height, decision);
    if (decision.open) {
      state.className = "open";
      state.textContent = "open for " + decision.name + " (" + decision.similarity.toFixed(2) + ")";
    } else close(decision.reason);
  } catch (error) {
    close(error.message);
  }
}

async function watch() {
  while (watching) {
    if (camera.videoWidth) await look(camera, camera.videoWidth, camera.videoHeight);
    await new Promise((done) => setTimeout(done, pauseMs));
  }
}

document.getElementById("start").addEventListener("click", async () => {
  if (watching) return;
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    camera.srcObject = stream;
    camera.hidden = false;
    await camera.play();
    watching = true;
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      watching = false;
      close("the camera is gone");
    });
    watch();
  } catch (error) {
    close("there is no camera (" + error.message + ")");
  }
});

document.getElementById("photo").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  if (!file) return;
  try {
    const image = await createImageBitmap(file);
    await look(image, image.width, image.height);
  } catch (error) {
    close("the photo cannot be read");
  }
});

function cell(row, text) {
  const made = row.insertCell();
  made.textContent = text;
  return made;
}

async function list() {
  const people = await ask("/people");
  const body = document.getElementById("people");
  body.replaceChildren();
  for (const person of people) {
    const row = body.insertRow();
    cell(row, person.name);
    cell(row, person.photos);
    cell(row, person.added.slice(0, 10));
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Remove";
    button.addEventListener("click", async () => {
      if (!window.confirm("Remove " + person.name + " for good?")) return;
      await said(async () => {
        const gone = await ask("/remove", {
          method: "POST", body: JSON.stringify({ name: person.name }), headers: { "content-type": "application/json" },
        });
        return person.name + " is gone: " + gone.vectors + " vectors, none left in " + gone.searched_bytes + " bytes";
      });
    });
    cell(row, "").append(button);
  }
  const log = document.getElementById("log");
  log.replaceChildren();
  for (const entry of (await ask("/log")).reverse()) {
    const row = log.insertRow();
    cell(row, entry.at.slice(0, 19).replace("T", " "));
    cell(row, entry.action);
    cell(row, entry.person);
  }
}

async function said(work) {
  told.className = "";
  try {
    told.textContent = await work();
    await list();
  } catch (error) {
    told.className = "error";
    told.textContent = error.message;
  }
}

document.getElementById("enrol").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  await said(async () => {
    const found = await ask("/enrol", { method: "POST", body: new FormData(form) });
    form.reset();
    const out = found.left_out.length ? "; left out: " + found.left_out.join(" ") : "";
    return found.name + " is enrolled with " + found.photos + " photos" + out;
  });
});

said(async () => "");
