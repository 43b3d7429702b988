// Reads the page's data and builds what it is about.

import { Player } from "./player.js";

const data = JSON.parse(document.getElementById("data").textContent);
const app = document.getElementById("app");

if (data.kind === "stages") {
  const player = new Player(data);
  app.append(player.node);
  player.resize();
  player.seek(0);
  window.flashlab = { player, data };
}
