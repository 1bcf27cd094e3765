// The project's own description of what may be sent, and the strict check against it.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const files = ['arm.json', 'service.json', 'device.json', 'hub.json', 'entra.json'];

export class Schemas {
  #ajv;

  // node_modules lives outside the source tree, where an import from here would not find it.
  constructor(nodeModules) {
    const Ajv = createRequire(join(resolve(nodeModules), 'of-the-stand-in.js'))('ajv/dist/2019').default;
    this.#ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, allowUnionTypes: true });
    for (const file of files) {
      this.#ajv.addSchema(JSON.parse(readFileSync(new URL(`schemas/${file}`, import.meta.url), 'utf8')));
    }
  }

  // A value that the contract does not know is a violation in the journal, and refused with what `refuse` makes of it.
  check(exchange, schema, value, refuse) {
    const validate = this.#ajv.getSchema(encodeURI(schema));
    if (!validate) throw new Error(`no schema ${schema}`);
    if (validate(value)) return;
    const text = validate.errors.map(({ instancePath, message, params }) =>
      `${instancePath || '/'} ${message}${params.unevaluatedProperty ? ` (${params.unevaluatedProperty})` : ''}`).join('; ');
    exchange.violation(`body: ${text}`);
    throw refuse(text);
  }
}
