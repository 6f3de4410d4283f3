import { describe, expect, it } from 'vitest';
import { WriteError } from '../../../activities/ports.ts';
import { explainCode, explainRefusal, suspectRefusal } from '../../../platform/tls-explain.ts';

const coded = (code: string | number, message = 'of no use') => Object.assign(new Error(message), { code });

describe('a refusal', () => {
  it.each([
    ['SELF_SIGNED_CERT_IN_CHAIN', 'no authority that we trust: see KAFKA_SSL_CA_FILE'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'no authority that we trust: see KAFKA_SSL_CA_FILE'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'no authority that we trust: see KAFKA_SSL_CA_FILE'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'no authority that we trust: see KAFKA_SSL_CA_FILE'],
    ['CERT_HAS_EXPIRED', 'has expired'],
    ['CERT_NOT_YET_VALID', 'not valid yet'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'another host name than the one in KAFKA_BROKERS'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'does not accept our client certificate'],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', 'does not accept our client certificate'],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'does not accept our client certificate'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'does not speak TLS there: see KAFKA_BROKERS and KAFKA_SSL'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'too old'],
    ['ERR_OSSL_X509_KEY_VALUES_MISMATCH', 'can not be used: see KAFKA_SSL_CERT_FILE'],
  ])('by the code %s is told by what it means', (code, words) => {
    expect(explainRefusal('kafka', coded(code))).toContain(words);
    expect(explainCode('kafka', code)).toContain(words);
  });

  it.each([
    ['database', coded('28P01'), 'PostgreSQL refuses the user or password: see DATABASE_URL'],
    ['database', coded('28000'), 'its pg_hba.conf'],
    ['redis', new Error('WRONGPASS invalid username-password pair'), 'Redis refuses the user or password'],
    ['redis', new Error('NOAUTH Authentication required.'), 'Redis wants a password'],
    ['redis', new Error("NOPERM this user has no permissions to run the 'info' command"), 'but not do that'],
    ['temporal', coded(16), 'Temporal refuses the API key: see TEMPORAL_API_KEY'],
    ['temporal', coded(7), 'lets this user in but not do that'],
    ['registry', new Error('the registry refuses us (401): check something'), 'see SCHEMA_REGISTRY_USERNAME'],
  ])('of %s is told with the variable to look at', (server, error, words) => {
    expect(explainRefusal(server, error)).toContain(words);
  });

  it('is found behind other errors, and among several', () => {
    const behind = new Error('no answer', { cause: new Error('still none', { cause: coded('CERT_HAS_EXPIRED') }) });
    expect(explainRefusal('registry', behind)).toContain('has expired');
    const several = new AggregateError([coded('ECONNREFUSED'), coded('CERT_HAS_EXPIRED')]);
    expect(explainRefusal('registry', several)).toContain('has expired');
  });

  it('that was explained before is told in the same words', () => {
    const stripped = new WriteError('connection_lost', null, null, false, 'see DATABASE_URL');
    expect(explainRefusal('database', new Error('no answer', { cause: stripped }))).toBe('see DATABASE_URL');
    expect(explainRefusal('database', new WriteError('connection_lost'))).toBeNull();
  });

  it('by our certificate is told before what would be wrong with theirs', () => {
    const alert = coded('ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', 'sslv3 alert certificate expired');
    expect(explainRefusal('redis', alert)).toContain('REDIS_TLS_CERT_FILE');
  });

  it('keeps what the client said to itself', () => {
    const told = explainRefusal('redis', coded('CERT_HAS_EXPIRED', 'redis://u:hunter2@10.0.0.1:6379'));
    expect(told).not.toMatch(/hunter2|10\.0\.0\.1/u);
  });
});

describe('trouble of another kind', () => {
  it.each([
    ['kafka', coded('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:28000')],
    ['database', coded('57P03')],
    ['database', coded('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:28000')],
    ['temporal', coded(14, '14 UNAVAILABLE: No connection established. Last error: connect ECONNREFUSED')],
    ['a server of nobody', coded('CERT_HAS_EXPIRED')],
    ['redis', 'no error at all'],
  ])('of %s is not explained', (server, error) => {
    expect(explainRefusal(server, error)).toBeNull();
  });

  it('ends where causes go in circles', () => {
    const error = new Error('round');
    error.cause = error;
    expect(explainRefusal('kafka', error)).toBeNull();
  });
});

describe('a connection that is closed unanswered', () => {
  it('makes us suspect the settings, and no more', () => {
    const closed = coded('ECONNRESET');
    expect(explainRefusal('redis', closed)).toBeNull();
    expect(suspectRefusal('redis', closed)).toBe(
      'Redis closes the connection without an answer: if that goes on, see REDIS_URL; REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE',
    );
    // As the worker's connection to Temporal has it.
    for (const [code, message, source] of [
      ['Unknown error', 'transport error', 'Io, Kind(ConnectionReset)'],
      ['The operation was cancelled', 'operation was canceled', 'Canceled, "connection closed"'],
    ]) {
      const reset = new Error(
        `Failed to call GetSystemInfo: code: '${code}', message: "${message}", source: tonic::transport::Error(Transport, hyper::Error(${source}))`,
      );
      expect(suspectRefusal('temporal', reset)).toContain('TEMPORAL_TLS_CERT_FILE and TEMPORAL_TLS_KEY_FILE');
    }
    expect(suspectRefusal('redis', coded('ECONNREFUSED'))).toBeNull();
    expect(suspectRefusal('a server of nobody', closed)).toBeNull();
  });
});
