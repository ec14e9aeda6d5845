// The page: frames come over a WebSocket, one for each "next", so that a slow browser never lags behind the source.

import { Cards, Timelines, drawFaces, faceName } from "./faces.js";
import { SettingsForm } from "./settings.js";

const RETRY = [500, 1000, 2000, 4000];
const CAMERA_WIDTH = 640;

const find = (id) => document.getElementById(id);
const video = find("video");
const context = video.getContext("2d");
const buttons = { pause: find("pause"), snapshot: find("snapshot"), camera: find("camera") };

const socketAddress = (path) => new URL(path, location.href).href.replace(/^http/, "ws");
const say = (text) => {
  if (find("status").textContent !== text) find("status").textContent = text;
};

class Page {
  constructor(info) {
    this.info = info;
    this.paused = false;
    this.camera = null;
    this.socket = null;
    this.attempts = 0;
    this.cards = new Cards(find("cards"), find("no-face"), info.colors);
    this.timelines = new Timelines(find("timelines"), info.class_names, info.colors);
    this.described = "";
    for (const name of info.class_names) {
      const item = document.createElement("li");
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = info.colors[name];
      item.append(swatch, name);
      find("legend").append(item);
    }
    find("source").textContent = info.source ?? "no source of its own";
    buttons.camera.hidden = !info.camera;
    buttons.pause.addEventListener("click", () => this.setPaused(!this.paused));
    buttons.snapshot.addEventListener("click", () => this.snapshot());
    buttons.camera.addEventListener("click", () => (this.camera ? this.stopCamera() : this.startCamera()));
    document.addEventListener("visibilitychange", () => this.ask());
  }

  start() {
    if (this.info.source) this.connect();
    else say("This server has no camera or clip. Use the camera of this device.");
  }

  // The source of the server

  connect() {
    const socket = new WebSocket(socketAddress("v1/live"));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.record = null;
    socket.onopen = () => {
      this.waiting = false;
      this.ask();
    };
    socket.onmessage = ({ data }) => {
      if (this.socket !== socket) return;
      this.attempts = 0;
      if (typeof data === "string") {
        this.record = JSON.parse(data);
        if (!this.camera) say(this.record.message);
        if (!this.record.image) this.done();
      } else {
        this.show(this.record, data).finally(() => this.done());
      }
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      if (!this.camera) say("The server cannot be reached. The page tries again.");
      setTimeout(() => this.connect(), RETRY[Math.min(this.attempts++, RETRY.length - 1)]);
    };
  }

  // One frame is asked for at a time; none while nobody looks.
  ask() {
    const ready = this.socket?.readyState === WebSocket.OPEN && !this.waiting;
    if (!ready || this.paused || this.camera || document.hidden) return;
    this.waiting = true;
    this.socket.send("next");
  }

  done() {
    this.waiting = false;
    this.ask();
  }

  async show(record, jpeg) {
    const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    if (!this.paused && !this.camera) {
      this.draw(bitmap, bitmap.width, bitmap.height);
      this.update(record);
    }
    bitmap.close();
  }

  draw(image, width, height) {
    if (video.width !== width || video.height !== height) Object.assign(video, { width, height });
    context.drawImage(image, 0, 0, width, height);
    buttons.snapshot.disabled = false;
  }

  update(record) {
    find("rate").textContent = `${record.frames_per_second?.toFixed(1) ?? "-"} fps`;
    find("latency").textContent = `${record.latency_ms?.toFixed(0) ?? "-"} ms`;
    this.cards.show(record.faces);
    this.timelines.add(record.faces, performance.now() / 1000);
    const faces = record.faces.map((face, place) => `${faceName(face, place)} ${face.label}`).join(", ");
    const words = record.faces.length ? `Frame with ${faces}` : "Frame without a face";
    if (words !== this.described) video.setAttribute("aria-label", (this.described = words));
  }

  setPaused(paused) {
    this.paused = paused;
    buttons.pause.setAttribute("aria-pressed", String(paused));
    buttons.pause.textContent = paused ? "Resume" : "Pause";
    this.ask();
  }

  snapshot() {
    video.toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `femo-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    }, "image/png");
  }

  // The camera of this browser

  async startCamera() {
    if (!navigator.mediaDevices?.getUserMedia) {
      say("The browser gives its camera to pages over https, or on the same machine, alone.");
      return;
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: CAMERA_WIDTH } }, audio: false });
    } catch (error) {
      say(`The camera cannot be used (${error.name}). Allow it for this page.`);
      return;
    }
    const player = document.createElement("video");
    Object.assign(player, { srcObject: stream, muted: true, playsInline: true });
    await player.play();
    const socket = new WebSocket(socketAddress("v1/camera"));
    const camera = { stream, player, socket, times: [] };
    this.camera = camera;
    this.timelines.clear();
    this.cards.show([]);
    say("");
    buttons.camera.setAttribute("aria-pressed", "true");
    buttons.camera.textContent = "Stop my camera";
    socket.onopen = () => this.sendFrame(camera);
    socket.onmessage = ({ data }) => this.showCamera(camera, JSON.parse(data));
    socket.onclose = ({ reason }) => {
      if (this.camera === camera) {
        this.stopCamera();
        say(reason ? `The server ended the camera: ${reason}.` : "The server cannot be reached.");
      }
    };
  }

  // The next frame is sent when the faces of the one before are here: at the rate that the server takes.
  sendFrame(camera) {
    if (this.camera !== camera) return;
    const { player, socket } = camera;
    if (this.paused || document.hidden || !player.videoWidth) {
      setTimeout(() => this.sendFrame(camera), 100);
      return;
    }
    const canvas = (camera.canvas ??= document.createElement("canvas"));
    const scale = Math.min(1, CAMERA_WIDTH / player.videoWidth);
    Object.assign(canvas, { width: Math.round(scale * player.videoWidth), height: Math.round(scale * player.videoHeight) });
    canvas.getContext("2d").drawImage(player, 0, 0, canvas.width, canvas.height);
    camera.sent = performance.now();
    canvas.toBlob((blob) => socket.readyState === WebSocket.OPEN && socket.send(blob), "image/jpeg", 0.85);
  }

  showCamera(camera, record) {
    if (this.camera !== camera) return;
    const now = performance.now();
    camera.times = [...camera.times.filter((time) => time > now - 1000), now];
    record.frames_per_second = camera.times.length > 1 ? (1000 * (camera.times.length - 1)) / (now - camera.times[0]) : null;
    record.latency_ms = now - camera.sent;
    this.draw(camera.canvas, camera.canvas.width, camera.canvas.height);
    drawFaces(context, record.faces, this.info.colors);
    this.update(record);
    this.sendFrame(camera);
  }

  stopCamera() {
    const { stream, socket } = this.camera;
    this.camera = null;
    stream.getTracks().forEach((track) => track.stop());
    socket.close();
    this.timelines.clear();
    this.cards.show([]);
    buttons.camera.setAttribute("aria-pressed", "false");
    buttons.camera.textContent = "Use my camera";
    this.ask();
    if (!this.info.source) this.start();
  }
}

async function open() {
  const answer = await fetch("v1/info");
  if (answer.status === 401) return location.assign("login");
  const info = await answer.json();
  const page = new Page(info);
  if (info.settings) new SettingsForm(find("settings"), find("settings-form")).load();
  page.start();
}

open().catch(() => say("The server cannot be reached. Load the page again."));
