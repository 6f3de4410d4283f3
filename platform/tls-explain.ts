/**
 * What stands between us and a server that is up: certificates, passwords, permissions. Clients say it in words of
 * their own, with addresses and user names in them; here it becomes one sentence that says where to look.
 */

/** What people set for a server, as they find it in the configuration. */
interface Settings {
  title: string;
  address: string;
  /** What turns TLS on. */
  tls: string;
  ca: string;
  /** Our own certificate and its key. */
  certificate: string;
  login: string;
  /** What one logs in with, where that is not a user with a password. */
  proof?: string;
}

const SERVERS = {
  kafka: {
    title: 'Kafka',
    address: 'KAFKA_BROKERS',
    tls: 'KAFKA_SSL',
    ca: 'KAFKA_SSL_CA_FILE',
    certificate: 'KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE',
    login: 'KAFKA_USERNAME, KAFKA_PASSWORD and KAFKA_SASL_MECHANISM',
  },
  registry: {
    title: 'the schema registry',
    address: 'SCHEMA_REGISTRY_URL',
    tls: 'SCHEMA_REGISTRY_URL',
    ca: 'SCHEMA_REGISTRY_CA_FILE',
    certificate: 'SCHEMA_REGISTRY_CERT_FILE and SCHEMA_REGISTRY_KEY_FILE',
    login: 'SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD',
  },
  database: {
    title: 'PostgreSQL',
    address: 'DATABASE_URL',
    tls: 'DATABASE_URL',
    ca: 'DATABASE_SSL_CA_FILE',
    certificate: 'DATABASE_SSL_CERT_FILE and DATABASE_SSL_KEY_FILE',
    login: 'DATABASE_URL',
  },
  redis: {
    title: 'Redis',
    address: 'REDIS_URL',
    tls: 'REDIS_URL',
    ca: 'REDIS_TLS_CA_FILE',
    certificate: 'REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE',
    login: 'REDIS_URL',
  },
  temporal: {
    title: 'Temporal',
    address: 'TEMPORAL_ADDRESS',
    tls: 'TEMPORAL_TLS',
    ca: 'TEMPORAL_TLS_CA_FILE',
    certificate: 'TEMPORAL_TLS_CERT_FILE and TEMPORAL_TLS_KEY_FILE',
    login: 'TEMPORAL_API_KEY',
    proof: 'API key',
  },
} as const satisfies Record<string, Settings>;

export type SecuredServer = keyof typeof SERVERS;

/** One kind of trouble: how clients tell of it, by name, code or message, and what it means. */
interface Fault {
  sign: RegExp;
  sentence(server: Settings): string;
}

/** The first that fits counts. The signs are those of OpenSSL, of rustls (Temporal's core) and of each server. */
const FAULTS: readonly Fault[] = [
  {
    // What the other side tells of our certificate comes before what we find about its own.
    sign: /alert[ _](?:number (?:42|46|48|116)|certificate|bad[ _]certificate|unknown[ _]ca|access[ _]denied)|HANDSHAKE_FAILURE|CertificateRequired/iu,
    sentence: ({ title, certificate }) =>
      `${title} does not accept our client certificate, or misses one: see ${certificate}`,
  },
  {
    sign: /CERT_HAS_EXPIRED|certificate has expired|certificate expired|CertExpired|\bExpired(?:Context)?\b/u,
    sentence: ({ title, ca }) => `the certificate of ${title} has expired: renew it there, or the authority in ${ca}`,
  },
  {
    sign: /CERT_NOT_YET_VALID|certificate is not yet valid|not valid yet|NotValidYet(?:Context)?/u,
    sentence: ({ title, ca }) =>
      `the certificate of ${title} is not valid yet: compare the clocks, and look at the authority in ${ca}`,
  },
  {
    sign: /ERR_TLS_CERT_ALTNAME_INVALID|does not match certificate's altnames|NotValidForName/u,
    sentence: ({ title, address }) => `the certificate of ${title} is for another host name than the one in ${address}`,
  },
  {
    sign: /SELF_SIGNED_CERT|self[- ]signed certificate|UNABLE_TO_(?:VERIFY|GET_ISSUER)|unable to (?:verify|get)[a-z ]* (?:certificate|issuer)|CERT_(?:UNTRUSTED|SIGNATURE_FAILURE)|INVALID_CA|UnknownIssuer|BadSignature/u,
    sentence: ({ title, ca }) => `the certificate of ${title} is signed by no authority that we trust: see ${ca}`,
  },
  {
    sign: /WRONG_VERSION_NUMBER|wrong version number|PACKET_LENGTH_TOO_LONG|packet length too long|does not support SSL connections|InvalidContentType|received corrupt message/u,
    sentence: ({ title, address, tls }) =>
      `${title} does not speak TLS there: see ${address}${tls === address ? '' : ` and ${tls}`}`,
  },
  {
    sign: /NoApplicationProtocol|alert no application protocol/u,
    sentence: ({ title, address }) => `something else than ${title} answers there: see ${address}`,
  },
  {
    sign: /ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|alert protocol version/u,
    sentence: ({ title }) => `${title} speaks only versions of TLS that are too old: it takes 1.2 or newer`,
  },
  {
    sign: /ERR_OSSL_|KEY_VALUES_MISMATCH|key values mismatch|no start line/u,
    sentence: ({ title, certificate, ca }) => `the files for ${title} can not be used: see ${certificate}, and ${ca}`,
  },
  {
    sign: /mechanism is not supported by the server/u,
    sentence: ({ title }) => `${title} does not offer this way to log in: see KAFKA_SASL_MECHANISM`,
  },
  {
    sign: /code=28000\b/u,
    sentence: ({ title, login, certificate }) =>
      `${title} does not let this user in like this: see ${login} with its sslmode, ${certificate}, and its pg_hba.conf`,
  },
  {
    sign: /code=28P01\b|WRONGPASS|KafkaJSSASLAuthenticationError|SASL_AUTHENTICATION_FAILED|UNAUTHENTICATED|valid authentication credentials|refuses us \(401\)/u,
    sentence: ({ title, login, proof = 'user or password' }) => `${title} refuses the ${proof}: see ${login}`,
  },
  {
    sign: /NOAUTH/u,
    sentence: ({ title, login }) => `${title} wants a password: see ${login}`,
  },
  {
    sign: /NOPERM|_AUTHORIZATION_FAILED|PERMISSION_DENIED|refuses us \(403\)/u,
    sentence: ({ title, login }) => `${title} lets this user in but not do that: see its permissions, and ${login}`,
  },
];

const isSecured = (server: string): server is SecuredServer => Object.hasOwn(SERVERS, server);

/**
 * Says what keeps a server from letting us in, and where to look.
 * @param server a `SecuredServer`; for any other there is nothing to say
 * @param error what its client threw, with what is behind it as `cause`
 * @returns one sentence without addresses, names and secrets; null for trouble of another kind, such as a server that is down
 */
export function explainRefusal(server: string, error: unknown): string | null {
  if (!isSecured(server)) return null;
  const chain = [...links(error)];
  const advice = chain.map(adviceOf).find((found) => found !== null);
  if (advice) return advice;
  const told = chain.map(signsOf);
  const fault = FAULTS.find(({ sign }) => told.some((signs) => sign.test(signs)));
  return fault?.sentence(SERVERS[server]) ?? null;
}

/** The same by a code alone, where a message could hold anything. */
export function explainCode(server: SecuredServer, code: string): string | null {
  return explainRefusal(server, Object.assign(new Error(), { code }));
}

/**
 * For trouble that may be a refusal as well as a server that just restarts: it closes the connection unanswered, as
 * those do that are spoken to without TLS, without a login or without a certificate that they want.
 * @returns one sentence; null for trouble of another kind
 */
export function suspectRefusal(server: string, error: unknown): string | null {
  if (!isSecured(server)) return null;
  const isClosed = [...links(error)].map(signsOf).some((signs) => CLOSED.test(signs));
  if (!isClosed) return null;
  const { title, tls, login, certificate } = SERVERS[server];
  const settings = new Set([tls, login, certificate]);
  return `${title} closes the connection without an answer: if that goes on, see ${[...settings].join('; ')}`;
}

const CLOSED =
  /KafkaJSConnectionClosedError|disconnected before secure TLS connection|code=(?:ECONNRESET|EPIPE)|BrokenPipe|ConnectionReset|ConnectionAborted|UnexpectedEof|hyper::Error\(Canceled, "connection closed"\)|Last error: Failed to connect/u;

const MOST_LINKS = 20;

/** An error with all its causes and parts: a client that tries several addresses has an error for each. */
function* links(error: unknown): Generator<Error> {
  const waiting: unknown[] = [error];
  for (let count = 0; waiting.length > 0 && count < MOST_LINKS; count += 1) {
    const next = waiting.shift();
    if (!(next instanceof Error)) continue;
    yield next;
    waiting.push(next.cause);
    if (next instanceof AggregateError) waiting.push(...next.errors);
  }
}

/** What was explained already, before the error was stripped of all that could explain it. */
function adviceOf(error: Error): string | null {
  return 'advice' in error && typeof error.advice === 'string' ? error.advice : null;
}

/** gRPC's numbers for the two refusals. */
const GRPC_CODES: Readonly<Record<number, string>> = { 7: 'PERMISSION_DENIED', 16: 'UNAUTHENTICATED' };

function signsOf(error: Error): string {
  const code = 'code' in error ? error.code : undefined;
  const type = 'type' in error ? error.type : undefined;
  const word = typeof code === 'number' ? GRPC_CODES[code] : code;
  return [error.name, `code=${word}`, type, error.message].filter((part) => typeof part === 'string').join(' ');
}
