// Sends files straight to the store, in parts, and goes on after a lost line. Without this file the page has a plain form.
(() => {
  "use strict";
  const TRIES = 6, AT_ONCE = 3;
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));

  for (const box of document.querySelectorAll("[data-uploader]")) {
    box.hidden = false;
    const input = box.querySelector("input[type=file]"), list = box.querySelector("[data-progress]");

    const ask = async (url, method, body) => {
      for (let tried = 1; ; tried++) {
        try {
          const answer = await fetch(url, { method, credentials: "same-origin", headers: { "X-CSRFToken": box.dataset.csrf, "Content-Type": "application/json" }, body });
          const said = await answer.json();
          if (!answer.ok) throw Object.assign(new Error(said.detail), { final: answer.status < 500 });
          return said;
        } catch (error) {
          if (error.final || tried === TRIES) throw error;
          await wait(500 * 2 ** tried);
        }
      }
    };

    const put = async (file, part) => {
      for (let tried = 1; ; tried++) {
        try {
          const answer = await fetch(part.url, { method: "PUT", body: file.slice(part.offset, part.offset + part.size), credentials: "omit" });
          if (answer.ok) return;
          if (answer.status === 403 || answer.status === 404) throw Object.assign(new Error("The link for this part ran out."), { final: true });
        } catch (error) {
          if (error.final || tried === TRIES) throw error;
        }
        try {
          await file.slice(part.offset, part.offset + 1).arrayBuffer();
        } catch {  // a browser reads no file that was written to since it was chosen
          throw new Error("The file was changed while it was sent. Nothing was published.");
        }
        if (tried === TRIES) throw new Error("The line is gone.");
        await wait(500 * 2 ** tried);
      }
    };

    const send = async (file, line) => {
      const said = (text) => { line.textContent = `${file.name}: ${text}`; };
      said("beginning");
      const upload = await ask(box.dataset.uploader, "POST", JSON.stringify({ path: file.name, size_bytes: file.size, changed: String(file.lastModified) }));
      const missing = upload.parts.filter((part) => !part.done), whole = upload.parts.length;
      let there = whole - missing.length;
      const one = async () => {
        for (let part = missing.shift(); part; part = missing.shift()) {
          await put(file, part);
          there += 1;
          said(`${Math.floor(100 * there / whole)} % (${there} of ${whole} parts)`);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, one));
      await ask(`/dataset-uploads/${upload.id}/complete/`, "POST", "{}");
      said("arrived; it is being checked above");
    };

    input.addEventListener("change", async () => {
      for (const file of input.files) {
        const line = list.appendChild(document.createElement("li"));
        try { await send(file, line); } catch (error) { line.textContent = `${file.name}: ${error.message} What has arrived is kept: choose the file again to go on.`; }
      }
      input.value = "";
    });
  }
})();
