// Says in JupyterLab that a session ends, and saves what is open just before. Written by hand in the form JupyterLab loads its
// extensions in: nothing is built. What is said, and when, is the portal's; it comes through this notebook's own server.
(() => {
  "use strict";
  const ASK_EVERY_MS = 20000;

  const activate = (app) => {
    const server = app.serviceManager.serverSettings, said = new Set();
    let timers = [], page = "";
    app.commands.addCommand("compute-commons:page", { label: "The session's page", execute: () => window.open(page, "_blank", "noopener") });

    const tell = (message) => {
      if (said.has(message.id)) return;
      said.add(message.id);
      const actions = [{ label: "Add time", commandId: "compute-commons:page", args: {}, displayType: "accent" }];
      app.commands.execute("apputils:notify", { message: message.text, type: "warning", options: { autoClose: false, actions } });
    };
    const save = () => app.commands.execute("docmanager:save-all");
    const plan = (answer) => {
      timers.forEach(clearTimeout);
      page = answer.page || page;
      timers = [
        ...answer.messages.map((message) => setTimeout(() => tell(message), message.in_s * 1000)),
        ...answer.saves.map((in_s) => setTimeout(save, in_s * 1000)),
      ];
    };
    const ask = async () => {
      try {
        const headers = {}, mark = document.cookie.match(/\b_xsrf=([^;]*)\b/);
        if (mark) headers["X-XSRFToken"] = mark[1]; // as JupyterLab's own requests do
        const answer = await fetch(`${server.baseUrl}commons/session`, { credentials: "same-origin", headers });
        if (answer.ok) plan(await answer.json());
      } catch { /* the line is thin: the plan that is known stays */ }
      setTimeout(ask, ASK_EVERY_MS);
    };
    app.restored.then(ask); // before, there is nobody yet who could say it
  };

  const extension = { default: { id: "compute-commons:ending", autoStart: true, activate } };
  Object.defineProperty(extension, "__esModule", { value: true });
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["compute-commons"] = { init: () => {}, get: async () => () => extension };
})();
