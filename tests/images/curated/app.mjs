#!/usr/bin/env node
import { createServer } from "node:https";
import { request } from "node:https";
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { gzipSync, gunzipSync, brotliCompressSync } from "node:zlib";
import { rootCertificates } from "node:tls";
import { spawnSync } from "node:child_process";

const cert = readFileSync("/w/cert.pem"), key = readFileSync("/w/key.pem");
const server = createServer({ cert, key }, (_, answer) => answer.end("page"));
await new Promise(done => server.listen(0, "127.0.0.1", done));
const page = await new Promise((done, fail) => request(
  { host: "127.0.0.1", port: server.address().port, ca: cert },
  answer => answer.setEncoding("utf8").on("data", done)).on("error", fail).end());
server.close();
const worker = new Worker("require('node:worker_threads').parentPort.postMessage(6 * 7)", { eval: true });
console.log(JSON.stringify({
  page,
  worker: await new Promise(done => worker.on("message", done)),
  fetched: await (await fetch("data:,hello")).text(),
  date: new Intl.DateTimeFormat("de", { dateStyle: "full", timeZone: "Europe/Paris" }).format(0),
  packed: gunzipSync(gzipSync("x")).toString() + typeof brotliCompressSync("x"),
  authorities: rootCertificates.length > 100,
  user: process.getuid(),
  shell: spawnSync("echo hello", { shell: true }).stdout.toString(),
  wasm: WebAssembly.validate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])),
}));
