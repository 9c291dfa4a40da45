// REST calls. The token comes in the address (#token=... or #/jobs/3&token=...), is kept for this tab
// only and taken out of the address at once.

const KEY = "eider-token";

export function takeToken() {
  const match = /^#(.*?)&?token=([^&]+)/.exec(location.hash);
  if (match === null) return;
  setToken(decodeURIComponent(match[2]));
  history.replaceState(null, "", `${location.pathname}#${match[1] || "/"}`);
}

export const setToken = (token) => sessionStorage.setItem(KEY, token);
export const haveToken = () => Boolean(sessionStorage.getItem(KEY));

export class Refused extends Error {}

export async function call(path, method = "GET") {
  const answer = await fetch(path, {
    method,
    headers: { Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}` },
    cache: "no-store",
  });
  const document = await answer.json().catch(() => ({}));
  if (answer.ok) return document;
  const message = document.error?.message ?? `The master answered with status ${answer.status}.`;
  throw answer.status === 401 ? new Refused(message) : new Error(message);
}
