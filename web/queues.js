// Queues, nodes and cron entries: who may have how much, and where it goes.
import { call } from "./api.js";
import { bar, h, pill, section, table, terminal } from "./dom.js";
import { bytes, count, when } from "./format.js";

const of = (used, limit) => (limit > 0 ? `${count(used)} of ${count(limit)}` : count(used));
const memory = (q) => (q.max_memory_bytes > 0 ? bytes(q.max_memory_bytes) : "");

export async function queuesPage() {
  const [{ queues }, { users }, { nodes }, { entries }] = await Promise.all(
    ["/v1/queues", "/v1/users", "/v1/nodes", "/v1/cron"].map((path) => call(path)));
  const shares = [
    ["Weight", "number", (q) => count(q.weight)],
    ["Cores", "number", (q) => of(q.cores, q.max_cores)],
    ["Memory limit", "number", memory],
    ["Running jobs", "number", (q) => of(q.running_jobs, q.max_running_jobs)],
    ["Waiting jobs", "number", (q) => of(q.waiting_jobs, q.max_waiting_jobs)],
  ];
  return [
    h("h1", null, "Queues"),
    table([
      ["Queue", "strong", (q) => (q.parent ? `${q.parent} / ${q.name}` : q.name)],
      ["Policy", "", (q) => q.policy],
      ["Guaranteed cores", "number", (q) => (q.min_cores ? count(q.min_cores) : "")],
      ...shares,
    ], queues, "There is no queue."),
    section("Users with limits", table([["User", "strong", (u) => u.name], ...shares], users,
      "No user has settings of its own.")),
    section("Nodes", table([
      ["Node", "strong", (n) => n.name],
      ["State", "", (n) => [pill(n.state), n.reason ? ` ${n.reason}` : ""]],
      ["Cores busy", "busy", (n) => (n.cores ? [bar(0, n.running / n.cores), ` ${n.running}/${n.cores}`] : "")],
      ["Memory", "number", (n) => (n.memory_bytes ? bytes(n.memory_bytes) : "")],
      ["Disk free", "number", (n) => (n.disk_free_bytes ? bytes(n.disk_free_bytes) : "")],
      ["Exchange files", "number", (n) => (n.exchange_bytes ? bytes(n.exchange_bytes) : "")],
      ["Labels", "", (n) => (n.labels ?? []).join(", ")],
    ], nodes, "No worker is known.")),
    section("Cron entries", table([
      ["Entry", "strong", (e) => e.name],
      ["Schedule (UTC)", "code", (e) => e.schedule],
      ["Next", "", (e) => (e.next_ms ? when(e.next_ms) : "never")],
      ["Last", "", (e) => (e.fired_ms ? when(e.fired_ms) : "")],
      ["Runs", "number", (e) => count(e.runs)],
      ["User", "", (e) => e.user],
      ["SQL", "wide", (e) => [h("code", null, e.sql), e.error ? h("div", { class: "notice bad" }, e.error) : null]],
    ], entries, "There is none: `eider cron add` makes one.")),
    terminal("/v1/queues", "eider queue list"),
  ];
}
