#!/usr/bin/gjs
// SPDX-License-Identifier: MIT-0
//
// An app's side of Sidecard in GJS:  gjs.js APP-ID MODE
//
// Prints what a window would show. Nothing here blocks the main loop.

const { Gio, GLib } = imports.gi;

const NAME = 'org.sidecard.Sidecars1';
const [appId, mode] = ARGV;

function call(path, iface, method, args) {
    return new Promise((resolve, reject) => {
        Gio.DBus.session.call(NAME, path, `${NAME}.${iface}`, method, args, null,
            Gio.DBusCallFlags.NONE, -1, null, (connection, result) => {
                try {
                    resolve(connection.call_finish(result).recursiveUnpack());
                } catch (error) {
                    reject(error);
                }
            });
    });
}

async function main() {
    // 1. Hold: the sidecars are up for as long as this connection lives, and not longer.
    const [app] = await call('/org/sidecard/Sidecars1', 'Manager', 'Hold',
        new GLib.Variant('(ssa{sv})', [appId, 'the window is open', {}]));

    // 2. Wait: answers once all are ready, or after 20 s with how far they are.
    let sidecars;
    for (;;) {
        [sidecars] = await call(app, 'App', 'Wait', new GLib.Variant('(st)', ['ready', 0]));
        if (Object.values(sidecars).every(one => one.status !== 'Starting'))
            break;
        print('still starting ...'); // the splash screen goes on
    }

    // 3. GetEndpoint: where each of them is.
    for (const [name, one] of Object.entries(sidecars).sort()) {
        const [endpoint] = await call(one.path, 'Sidecar', 'GetEndpoint', null);
        print(`${name} is ${one.status} at ${endpoint.url}`);
    }

    // The settings: another mode. The answer is the plan.
    const [plan] = await call(app, 'App', 'SetMode', new GLib.Variant('(sa{sv})', [mode, {}]));
    for (const [name, action] of plan)
        print(`mode ${mode}: ${action} ${name}`);
    await call(app, 'App', 'Wait', new GLib.Variant('(st)', ['settled', 0]));

    // The window closes. An app that just ends has the same effect.
    await call('/org/sidecard/Sidecars1', 'Manager', 'Release', new GLib.Variant('(s)', [appId]));
    print('released');
}

const loop = GLib.MainLoop.new(null, false);
let failed = 0;
main().catch(error => { // such as StartFailed: the message says which one, and why
    Gio.DBusError.strip_remote_error(error);
    printerr(`cannot start: ${error.message}`);
    failed = 1;
}).finally(() => loop.quit());
loop.run();
imports.system.exit(failed);
