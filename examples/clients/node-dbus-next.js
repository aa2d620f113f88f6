#!/usr/bin/node
// SPDX-License-Identifier: MIT-0
//
// An app's side of Sidecard in Node or Electron, with `npm install dbus-next`:
// node-dbus-next.js APP-ID MODE
//
// Prints what a window would show. 64-bit numbers are BigInt: 0n.

const dbus = require('dbus-next');

const NAME = 'org.sidecard.Sidecars1';
const [appId, mode] = process.argv.slice(2);
const bus = dbus.sessionBus();

async function proxy(path, iface) {
    return (await bus.getProxyObject(NAME, path)).getInterface(`${NAME}.${iface}`);
}

async function main() {
    // 1. Hold: the sidecars are up for as long as this connection lives, and not longer.
    const manager = await proxy('/org/sidecard/Sidecars1', 'Manager');
    const app = await proxy(await manager.Hold(appId, 'the window is open', {}), 'App');

    // 2. Wait: answers once all are ready, or after 20 s with how far they are.
    let sidecars;
    for (;;) {
        sidecars = await app.Wait('ready', 0n);
        if (Object.values(sidecars).every(one => one.status.value !== 'Starting'))
            break;
        console.log('still starting ...'); // the splash screen goes on
    }

    // 3. GetEndpoint: where each of them is.
    for (const [name, one] of Object.entries(sidecars).sort()) {
        const endpoint = await (await proxy(one.path.value, 'Sidecar')).GetEndpoint();
        console.log(`${name} is ${one.status.value} at ${endpoint.url.value}`);
    }

    // The settings: another mode. The answer is the plan.
    for (const [name, action] of await app.SetMode(mode, {}))
        console.log(`mode ${mode}: ${action} ${name}`);
    await app.Wait('settled', 0n);

    // The window closes. An app that just ends has the same effect.
    await manager.Release(appId);
    console.log('released');
}

main().catch(error => { // such as StartFailed: the message says which one, and why
    console.error(`cannot start: ${error.text || error.message}`);
    process.exitCode = 1;
}).finally(() => bus.disconnect());
