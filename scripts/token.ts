#!/usr/bin/env node
// Prints a token for a laptop, or makes the first API key: npm run token -- --role operator (see --help).
import { EVENT_TYPES } from '../domain/events.ts';
import { ConfigError, loadConfig } from '../platform/config.ts';
import { type Made, makeApiKey, makeToken, NoTokenError } from './lib/token.ts';
import { readOptions } from './lib/token-options.ts';

const options = readOptions(process.argv);
try {
  const config = loadConfig(process.env, EVENT_TYPES);
  const made: Made = options.apiKey ? await makeApiKey(config, options) : await makeToken(config, options);
  // The token alone, so that a shell can take it.
  console.log(made.token);
  for (const note of made.notes) console.error(note);
} catch (error) {
  const isExpected = error instanceof ConfigError || error instanceof NoTokenError;
  console.error(isExpected ? error.message : `no token was made: ${String(error)}`);
  process.exitCode = 1;
}
