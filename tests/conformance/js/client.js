// A client of firebreak's echo service in Node.js, whose gRPC is another
// implementation of gRFC A6.
//
//   node client.js MODULES PROTO SCENARIOS RESULTS
//
// MODULES: the folder with node_modules. PROTO: the folder proto/ of firebreak.
// SCENARIOS: a JSON file, an array of
//   {"address": "127.0.0.1:4711", "serviceConfig": {...},
//    "calls": [{"text": "tells the server which call it is",
//               "deadlineMs": 1000}]}
// Each scenario has a channel of its own and makes its calls one after the
// other; all scenarios run at once. RESULTS: the file for the results, with a
// line for each call:
//   CODE STARTED TEXT
// STARTED is the machine's monotonic clock in nanoseconds, which a server on
// this machine reads too. grpc-js does not report its attempts; the server
// reports them.
'use strict';

const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');

const [modules, proto, scenarios, results] = process.argv.slice(2);
const load = createRequire(path.join(modules, 'node_modules/'));
const grpc = load('@grpc/grpc-js');
const protoLoader = load('@grpc/proto-loader');

const definition = protoLoader.loadSync('firebreak/testing/echo.proto', {
  includeDirs: [proto],
});
const { Echo } = grpc.loadPackageDefinition(definition).firebreak.testing;

function connected(client) {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + 30000, (error) =>
      error ? reject(error) : resolve());
  });
}

function call(client, { text, deadlineMs }) {
  return new Promise((resolve) => {
    const started = process.hrtime.bigint();
    const deadline = Date.now() + deadlineMs;
    client.unary({ text }, { deadline }, (error) => {
      resolve(`${error ? error.code : grpc.status.OK} ${started} ${text}`);
    });
  });
}

async function run({ address, serviceConfig, calls }) {
  const client = new Echo(address, grpc.credentials.createInsecure(), {
    'grpc.service_config': JSON.stringify(serviceConfig),
    'grpc.service_config_disable_resolution': 1,
  });
  await connected(client);
  const lines = [];
  for (const one of calls) lines.push(await call(client, one));
  client.close();
  return lines;
}

// Ends the process if a call hangs, since its parent waits for its end.
setTimeout(() => process.exit(3), 90000).unref();

Promise.all(JSON.parse(fs.readFileSync(scenarios, 'utf8')).map(run))
  .then((lines) => {
    fs.writeFileSync(results, lines.flat().join('\n') + '\n');
    process.exit(0);
  })
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
