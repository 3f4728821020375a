"use strict";
const model = JSON.parse(document.body.dataset.model);
const form = document.getElementById("form");
const result = document.getElementById("result");
const button = form.querySelector("button[type=submit]");
const files = model.fields.some((field) => field.kind === "image" || field.kind === "audio");
const recorded = {};

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function headers(more) {
  const key = sessionStorage.getItem("longspan-key");
  return key ? { ...more, authorization: "Bearer " + key } : more;
}

async function send(address, options) {
  const answer = await fetch(address, { ...options, method: "POST", headers: headers(options.headers || {}) });
  if (answer.status !== 401) return answer;
  const key = window.prompt("This server asks for a key:");
  if (!key) return answer;
  sessionStorage.setItem("longspan-key", key);
  return fetch(address, { ...options, method: "POST", headers: headers(options.headers || {}) });
}

function body() {
  if (files) {
    const data = new FormData(form);
    for (const [name, file] of Object.entries(recorded)) data.set(name, file, "recording.wav");
    return { body: data };
  }
  const values = {};
  for (const field of model.fields) {
    const given = form.elements[field.name].value;
    if (field.kind === "text") values[field.name] = given;
    else if (given.trim() === "") values[field.name] = null;
    else values[field.name] = field.kind === "number" && isFinite(Number(given)) ? Number(given) : given;
  }
  return { body: JSON.stringify(values), headers: { "content-type": "application/json" } };
}

function bars(probabilities) {
  const shown = Object.entries(probabilities).sort((a, b) => b[1] - a[1]).slice(0, 10);
  const table = element("div", undefined, "bars");
  for (const [label, p] of shown) {
    const bar = element("i");
    bar.style.width = 100 * p + "%";
    table.append(element("span", label), bar, element("span", (100 * p).toFixed(1) + " %"));
  }
  return table;
}

function shown(value) {
  if (value === null || value === undefined) return element("span", "–");
  if (Array.isArray(value) && value.some((part) => part && part.image)) {
    const box = element("span");
    value.forEach((part) => box.append(shown(part)));
    return box;
  }
  if (value.image) {
    const image = element("img");
    image.src = value.image;
    image.alt = "";
    return image;
  }
  return typeof value === "object" ? element("pre", JSON.stringify(value)) : element("span", String(value));
}

function short(value) {
  if (typeof value === "boolean") return value ? "True" : "False"; // as the labels of its probabilities
  if (typeof value === "number") return String(Number(value.toPrecision(5)));
  if (Array.isArray(value)) {
    if (value.every((part) => typeof part !== "object")) return value.join(", ") || "none";
    const counts = {};
    value.forEach((part) => (counts[part.label] = (counts[part.label] || 0) + 1));
    return Object.entries(counts).map(([label, count]) => count + " " + label).join(", ") || "nothing";
  }
  if (value && value.share) {
    return Object.entries(value.share).map(([label, part]) => label + " " + Math.round(100 * part) + " %").join(", ");
  }
  return value && typeof value === "object" ? JSON.stringify(value) : String(value);
}

function show(found) {
  result.replaceChildren();
  const prediction = found.prediction;
  for (const target of model.predicts) {
    if (!(target in prediction)) continue;
    const probability = prediction.probability ?? prediction[target + "_probability"];
    const sure = typeof probability === "number" ? ", probability " + probability.toFixed(2) : "";
    result.append(element("h2", target + sure), element("p", short(prediction[target]), "value"));
    const all = prediction.probabilities ?? prediction[target + "_probabilities"];
    if (all) result.append(bars(all));
  }
  for (const stage of found.stages || []) {
    const box = element("div", undefined, "stage");
    box.append(element("h2", "stage " + stage.stage));
    for (const [name, value] of Object.entries(stage.adds)) box.append(element("small", name + " "), shown(value));
    result.append(box);
  }
}

async function picture(option, words) {
  const answer = await send("/predict/" + encodeURIComponent(model.name) + "?" + option + "=1", body());
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail || "The server drew nothing.");
  const image = element("img");
  image.alt = words;
  image.src = URL.createObjectURL(await answer.blob());
  return image;
}

function offerWhy() {
  const box = element("div", undefined, "why");
  const ask = element("button", "Show where it looked", "plain");
  ask.type = "button";
  ask.addEventListener("click", async () => {
    ask.disabled = true;
    try {
      const words = "Red is what counted for the prediction.";
      box.replaceChildren(await picture("why", words), element("small", words));
    } catch (error) {
      box.replaceChildren(element("p", error.message, "error"));
    }
  });
  box.append(ask);
  result.append(box);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  try {
    const answer = await send("/predict/" + encodeURIComponent(model.name), body());
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(found.detail || found.title || "The server answered with status " + answer.status + ".");
    show(found);
    if (model.drawn) result.prepend(await picture("draw", "What was found, drawn into the photo"));
    if (model.explained) offerWhy();
  } catch (error) {
    result.replaceChildren(element("p", error.message, "error"));
  } finally {
    button.disabled = false;
  }
});

for (const drop of document.querySelectorAll(".drop")) {
  const input = drop.querySelector("input");
  const preview = drop.querySelector("img, audio");
  const chosen = () => {
    delete recorded[input.name];
    if (!input.files.length) return;
    preview.src = URL.createObjectURL(input.files[0]);
    preview.hidden = false;
    form.requestSubmit();
  };
  input.addEventListener("change", chosen);
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    input.files = event.dataTransfer.files;
    chosen();
  });
}

function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const write = (at, text) => [...text].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  write(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); write(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true);
  view.setUint16(34, 16, true); write(36, "data"); view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, i) => view.setInt16(44 + 2 * i, 32767 * Math.max(-1, Math.min(1, value)), true));
  return new Blob([view], { type: "audio/wav" });
}

const record = document.querySelector(".record");
let recorder = null;
record?.addEventListener("click", async () => {
  if (recorder) { recorder.stop(); return; }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const parts = [];
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onstop = async () => {
      stream.getTracks().forEach((track) => track.stop());
      recorder = null;
      record.textContent = "Record";
      const context = new AudioContext();
      const sound = await context.decodeAudioData(await new Blob(parts).arrayBuffer());
      const input = document.querySelector(".drop[data-kind=audio] input");
      recorded[input.name] = wav(sound.getChannelData(0), sound.sampleRate);
      input.required = false;
      const preview = document.querySelector("audio");
      preview.src = URL.createObjectURL(recorded[input.name]);
      preview.hidden = false;
      form.requestSubmit();
    };
    recorder.start();
    record.textContent = "Stop";
  } catch (error) {
    result.replaceChildren(element("p", "No microphone: " + error.message, "error"));
  }
});
