// Reads the page's data and builds what it is about.

import { Explorer } from "./explorer.js";
import { numbers } from "./numbers.js";
import { Player } from "./player.js";
import { ProfileView } from "./profile.js";

const data = JSON.parse(document.getElementById("data").textContent);
const app = document.getElementById("app");

if (data.kind === "profile") {
  const profile = new ProfileView(data);
  app.append(profile.node);
  window.flashlab = { profile, data };
} else {
  const player = new Player(data);
  app.append(player.node);
  player.resize();
  player.seek(0);
  window.flashlab = { player, data };
  // The charts come after the first paint.
  requestAnimationFrame(() =>
    setTimeout(() => {
      const explorer = new Explorer(data);
      app.append(explorer.node, numbers(data));
      explorer.update();
      window.flashlab.explorer = explorer;
    }),
  );
}
