/** Certificates made on the spot: an authority of a test's own, and what it signs. */
import './reflect-metadata.ts'; // before @peculiar/x509, which needs it
import { webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

/** PEM texts. */
export interface Issued {
  cert: string;
  /** PKCS#8, without a password. */
  key: string;
}

export interface CertificateRequest {
  /** DNS names that a client may reach the server by. The first is the common name too. */
  names?: readonly string[];
  /** Addresses that a client may reach the server by. */
  ips?: readonly string[];
  /** Default: a day ago. */
  notBefore?: Date;
  /** Default: in a day. */
  notAfter?: Date;
  /** For a client that shows who it is, instead of a server. */
  client?: boolean;
}

export interface Authority {
  /** What those who trust the authority are given, as PEM. */
  ca: string;
  /** Makes a key and signs its certificate. */
  issue(request: CertificateRequest): Promise<Issued>;
}

const DAY_MS = 86_400_000;
/** What PostgreSQL, Redis, Java and Node all take. */
const KEYS = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' };

const makeKeys = () => webcrypto.subtle.generateKey(KEYS, true, ['sign', 'verify']);

/** A private authority that nobody trusts who isn't told to. */
export async function makeAuthority(name = 'an authority of a test'): Promise<Authority> {
  const keys = await makeKeys();
  const issuer = `CN=${name}`;
  const root = await X509CertificateGenerator.createSelfSigned({
    name: issuer,
    keys,
    ...validity({}),
    signingAlgorithm: SIGNING,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    ca: root.toString('pem'),
    async issue(request) {
      const { names = [], ips = [], client = false } = request;
      const own = await makeKeys();
      const alternatives = [
        ...names.map((value) => ({ type: 'dns' as const, value })),
        ...ips.map((value) => ({ type: 'ip' as const, value })),
      ];
      const certificate = await X509CertificateGenerator.create({
        subject: `CN=${names[0] ?? ips[0] ?? 'nameless'}`,
        issuer,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        ...validity(request),
        signingAlgorithm: SIGNING,
        extensions: [
          new BasicConstraintsExtension(false),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension([client ? ExtendedKeyUsage.clientAuth : ExtendedKeyUsage.serverAuth]),
          ...(alternatives.length > 0 ? [new SubjectAlternativeNameExtension(alternatives)] : []),
          await AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ],
      });
      const key = await webcrypto.subtle.exportKey('pkcs8', own.privateKey);
      return { cert: certificate.toString('pem'), key: PemConverter.encode(key, PemConverter.PrivateKeyTag) };
    },
  };
}

function validity({ notBefore, notAfter }: CertificateRequest): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: notBefore ?? new Date(now - DAY_MS), notAfter: notAfter ?? new Date(now + DAY_MS) };
}
