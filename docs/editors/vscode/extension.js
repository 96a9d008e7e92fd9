// Starts `fpack lsp` for files of the language, and says what to do where it cannot be started.

const vscode = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

async function start() {
  const command = vscode.workspace.getConfiguration("fpack").get("command", "fpack");
  const server = { command, args: ["lsp"], transport: TransportKind.stdio };
  client = new LanguageClient("fpack", "fpack", server, {
    documentSelector: [{ language: "fpack", scheme: "file" }, { language: "fpack", scheme: "untitled" }],
  });
  try {
    await client.start();
  } catch (error) {
    vscode.window.showErrorMessage(
      `\`${command} lsp\` cannot be started: ${error.message}. ` +
        "Install it with `pip install 'fpack[lsp]'`, or name the program in the setting fpack.command.",
    );
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running) await running.stop().catch(() => undefined);
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("fpack.restart", async () => {
      await stop();
      await start();
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
