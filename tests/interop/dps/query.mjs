// Query results in pages: x-ms-max-item-count asks, x-ms-continuation goes on, the body is a bare array.
import { serviceError } from './answers.mjs';

export function page(exchange, state, itemType, items) {
  const asked = exchange.headers['x-ms-max-item-count'];
  if (asked !== undefined && !/^-?\d+$/.test(asked)) throw serviceError(400001, 'x-ms-max-item-count is not a number.');
  const size = Number(asked) > 0 ? Math.min(Number(asked), state.settings.pageSize) : state.settings.pageSize;
  const place = readContinuation(exchange.headers['x-ms-continuation'], itemType);
  const headers = { 'x-ms-item-type': itemType, 'x-ms-max-item-count': String(size) };

  const emptyNow = state.settings.emptyPages && !place.afterEmpty;
  const slice = emptyNow ? [] : items.slice(place.from, place.from + size);
  const next = place.from + slice.length;
  if (emptyNow || next < items.length) {
    headers['x-ms-continuation'] = writeContinuation({ itemType, from: next, afterEmpty: emptyNow });
  }
  return { status: 200, headers, body: slice };
}

function writeContinuation(place) {
  return Buffer.from(JSON.stringify(place)).toString('base64');
}

function readContinuation(text, itemType) {
  if (text === undefined) return { from: 0, afterEmpty: false };
  try {
    const place = JSON.parse(Buffer.from(text, 'base64').toString('utf8'));
    if (place.itemType === itemType && writeContinuation(place) === text) return place;
  } catch {
    // Not one of ours either way.
  }
  throw serviceError(400010, 'x-ms-continuation is not valid.');
}
