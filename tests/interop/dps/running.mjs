// A stand-in in a process of its own, for tests written in JavaScript.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:https';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('stand-in.mjs', import.meta.url));

export class StandIn {
  static async start({ trust, controlSecret = 'control', ...options }) {
    const given = { 'control-secret': controlSecret, ...options };
    const child = spawn(process.execPath, [program, ...Object.entries(given).flatMap(([name, value]) => [`--${name}`, value])],
      { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = await once(createInterface(child.stdout), 'line');
    return Object.assign(new StandIn(), JSON.parse(line), { process: child, trust, controlSecret });
  }

  // Any request, as {status, headers, body}; a body that is not JSON stays a text.
  call(method, path, { headers = {}, body, port = this.port, ...tls } = {}) {
    const bytes = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const type = bytes === undefined || headers['content-type'] ? {} : { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', servername: 'localhost', port, method, path, ca: this.trust, agent: false,
        headers: { ...type, ...headers }, ...tls }, async (response) => {
        try {
          let text = '';
          for await (const part of response) text += part;
          resolve({ status: response.statusCode, headers: response.headers, body: parsed(text) });
        } catch (error) {
          reject(error);
        }
      });
      sent.on('error', reject);
      sent.end(bytes);
    });
  }

  async control(method, what, body) {
    const answer = await this.call(method, `/_control/${what}`, { body, headers: { authorization: `Bearer ${this.controlSecret}` } });
    if (answer.status !== 200) throw new Error(`${method} ${what}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async stop() {
    this.process.stdin.end();
    if (this.process.exitCode === null) await once(this.process, 'exit');
    return this.process.exitCode;
  }
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : undefined;
  } catch {
    return text;
  }
}
