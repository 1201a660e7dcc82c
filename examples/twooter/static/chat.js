"use strict";

const form = document.getElementById("chat");
const messages = document.getElementById("messages");
// Beside this page, wherever that is.
const path = new URL("socket.io", document.baseURI).pathname;
const socket = io({path, transports: ["websocket"]});

function show(text) {
  const item = document.createElement("li");
  item.textContent = text;
  messages.append(item);
}

socket.on("chat", ({name, text}) => show(`${name}: ${text}`));
socket.on("came", (who) => show(`Guest ${who} came.`));
socket.on("left", (who) => show(`Guest ${who} left.`));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  socket.emit("chat", Object.fromEntries(new FormData(form)));
  form.elements.text.value = "";
});
