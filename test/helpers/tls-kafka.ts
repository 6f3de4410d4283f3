/** A broker with every kind of listener that the product can use, and with access control. */
import { probeKafka } from '../../stack/probes.ts';
import { prepareBroker } from '../../stack/servers/kafka.ts';
import { type Authority, type Issued, makeAuthority } from './certificates.ts';
import { freePorts, type OwnServer, ownInstance, pemFiles, startOwn } from './tls-process.ts';

export const LISTENERS = ['ssl', 'mtls', 'expired', 'saslssl', 'saslplain'] as const;
export type Listener = (typeof LISTENERS)[number];

/** Of the user `reader`, the same for each way to log in. */
export const PASSWORD = 'Pass-of-reader-7';

export interface TlsBroker extends OwnServer {
  authority: Authority;
  /** host:port of each listener, by a name that the certificates have. */
  addresses: Record<Listener | 'open', string>;
}

const PROTOCOLS = { ssl: 'SSL', mtls: 'SSL', expired: 'SSL', saslssl: 'SASL_SSL', saslplain: 'SASL_PLAINTEXT' };
const CERTIFICATE_NAME = 'localhost';

/** Its certificates are for `localhost` alone. Whoever has no rules against them may do everything. */
export async function startTlsBroker(): Promise<TlsBroker> {
  const authority = await makeAuthority();
  const instance = await ownInstance('kafka');
  const ports = await freePorts(LISTENERS.length);
  const expired = new Date(Date.now() - 60_000);
  const [current, outdated] = await Promise.all([
    authority.issue({ names: [CERTIFICATE_NAME] }),
    authority.issue({ names: [CERTIFICATE_NAME], notAfter: expired }),
  ]);
  // Java reads the key and its certificates from one file.
  const store = ({ cert, key }: Issued) => `${key}\n${cert}\n`;
  const files = await pemFiles(instance.dir, { current: store(current), outdated: store(outdated), ca: authority.ca });
  const open = `127.0.0.1:${instance.ports.kafka}`;
  const addressOf = (index: number) => `${CERTIFICATE_NAME}:${ports[index]}`;
  const listeners = [
    `PLAINTEXT://${open}`,
    `CONTROLLER://127.0.0.1:${instance.ports.kafkaController}`,
    ...LISTENERS.map((name, index) => `${name.toUpperCase()}://127.0.0.1:${ports[index]}`),
  ];
  const advertised = [
    `PLAINTEXT://${open}`,
    ...LISTENERS.map((name, at) => `${name.toUpperCase()}://${addressOf(at)}`),
  ];
  const launch = await prepareBroker(instance, instance.dir, {
    scramUsers: ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map((way) => `${way}=[name=reader,password=${PASSWORD}]`),
    settings: {
      listeners: listeners.join(','),
      'advertised.listeners': advertised.join(','),
      'listener.security.protocol.map': [
        'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
        ...LISTENERS.map((name) => `${name.toUpperCase()}:${PROTOCOLS[name]}`),
      ].join(','),
      'inter.broker.listener.name': 'PLAINTEXT',
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': files.current,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': files.ca,
      'listener.name.mtls.ssl.client.auth': 'required',
      'listener.name.expired.ssl.keystore.type': 'PEM',
      'listener.name.expired.ssl.keystore.location': files.outdated,
      ...saslSettings(),
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
      'allow.everyone.if.no.acl.found': true,
    },
  });
  const server = await startOwn(instance, launch, () => probeKafka(open));
  const addresses = { ...addressesOf(addressOf), open };
  return { ...server, authority, addresses };
}

const addressesOf = (addressOf: (index: number) => string) => {
  const [ssl = '', mtls = '', expired = '', saslssl = '', saslplain = ''] = LISTENERS.map((_, at) => addressOf(at));
  return { ssl, mtls, expired, saslssl, saslplain };
};

function saslSettings(): Record<string, string> {
  const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required user_reader="${PASSWORD}";`;
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  const settings: Record<string, string> = {};
  for (const listener of ['saslssl', 'saslplain']) {
    const prefix = `listener.name.${listener}`;
    settings[`${prefix}.sasl.enabled.mechanisms`] = 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512';
    settings[`${prefix}.plain.sasl.jaas.config`] = plain;
    for (const way of ['scram-sha-256', 'scram-sha-512']) settings[`${prefix}.${way}.sasl.jaas.config`] = scram;
  }
  return settings;
}
