// The cluster: processes, cores, memory. And the tables of the catalogue.
import { call } from "./api.js";
import { bar, h, pill, section, table, terminal } from "./dom.js";
import { bytes, count, plural, when } from "./format.js";

function card(title, figure, note, fraction) {
  return h("div", { class: "card" }, h("h3", null, title), h("p", { class: "figure" }, figure),
    fraction === undefined ? null : bar(0, fraction), h("p", { class: "faint" }, note));
}

function cards(status) {
  const workers = status.processes.filter((p) => p.role === "worker" && p.state !== "lost");
  const sum = (list, key) => list.reduce((total, p) => total + (p[key] ?? 0), 0);
  const cores = sum(workers, "cores");
  const busy = sum(workers, "running");
  const living = status.processes.filter((p) => p.state !== "lost");
  const lost = status.processes.length - living.length;
  const jobs = status.jobs;
  return h("div", { class: "cards" },
    card("Cores busy", `${busy} of ${cores}`, `on ${plural(workers.length, "worker")}`, cores ? busy / cores : 0),
    card("Jobs", plural(jobs.running, "running", "running"),
      `${count(jobs.waiting)} waiting · ${count(jobs.succeeded)} succeeded · ${count(jobs.failed)} failed`),
    card("Memory in use", bytes(sum(living, "rss_bytes")),
      `of all processes; tasks may use ${bytes(sum(workers, "memory_bytes"))}`),
    card("Exchange files", bytes(sum(workers, "exchange_bytes")), "on the workers' disks"),
    card("Processes", plural(living.length, "alive", "alive"), lost ? plural(lost, "lost", "lost") : "none lost"));
}

const busyCell = (p) =>
  p.cores ? [bar(0, p.running / p.cores), ` ${p.running}/${p.cores}`] : "";

export async function clusterPage() {
  const status = await call("/v1/status");
  const workers = status.processes.some((p) => p.role === "worker");
  const ports = (p) => Object.entries(p.ports ?? {}).map(([name, port]) => `${name} ${port}`).join(", ");
  return [
    h("h1", null, "Cluster"),
    h("p", { class: "faint" }, `Eider ${status.version} · cluster ${status.cluster_id}`),
    cards(status),
    workers ? null : h("p", { class: "empty" },
      "No worker has registered yet: jobs wait until one does. `eider up` starts workers on this machine."),
    section("Processes", table([
      ["Role", "", (p) => p.role],
      ["Name", "", (p) => p.name],
      ["State", "", (p) => pill(p.node_state ?? p.state)],
      ["Cores busy", "busy", busyCell],
      ["Memory", "number", (p) => (p.rss_bytes ? bytes(p.rss_bytes) : "")],
      ["Disk free", "number", (p) => (p.disk_free_bytes ? bytes(p.disk_free_bytes) : "")],
      ["Process id", "number", (p) => p.pid],
      ["Ports", "", ports],
    ], status.processes, "No process is known.")),
    terminal("/v1/status", "eider status"),
  ];
}

export async function tablesPage() {
  const { tables } = await call("/v1/tables");
  return [
    h("h1", null, "Tables"),
    table([
      ["Name", "strong", (t) => t.name],
      ["Reads from", "code", (t) => h("code", null, t.sql)],
      ["Created", "", (t) => when(t.created_ms)],
    ], tables, "The catalogue is empty. `CREATE EXTERNAL TABLE name AS FROM 'file.parquet'` names a table " +
      "for everybody; files can also be queried by their path at once."),
    terminal("/v1/tables", "eider table list"),
  ];
}
