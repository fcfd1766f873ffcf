// What outlives a reload: the token and the language (this browser), unsent messages (this tab only). No answers are
// kept here: on a shared computer the history comes from the server, and only with the token.

const KEY = "careline:" + SERVER + ":";

function attempt(action, otherwise) {
  try {
    return action();
  } catch (error) {
    return otherwise; // storage is switched off or full: the chat works, it does not survive a reload
  }
}

const store = {
  read: (name) => attempt(() => localStorage.getItem(KEY + name), null),
  write: (name, value) => attempt(() => localStorage.setItem(KEY + name, value), undefined),
  unsent: () => attempt(() => JSON.parse(sessionStorage.getItem(KEY + "unsent") || "[]"), []),
  keepUnsent: (list) => attempt(() => sessionStorage.setItem(KEY + "unsent", JSON.stringify(list)), undefined),
  wasOpen: () => attempt(() => sessionStorage.getItem(KEY + "open") === "1", false),
  keepOpen: (open) => attempt(() => sessionStorage.setItem(KEY + "open", open ? "1" : "0"), undefined),
  forget() {
    for (const name of ["token", "lang"]) attempt(() => localStorage.removeItem(KEY + name), undefined);
    for (const name of ["unsent", "open"]) attempt(() => sessionStorage.removeItem(KEY + name), undefined);
  },
};
