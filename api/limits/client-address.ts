/** Where a request comes from, as far as that can be believed. */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, type Socket, SocketAddress } from 'node:net';
import type { TrustedProxies } from '../../platform/variable-kinds.ts';

export type Incoming = Pick<IncomingMessage, 'socket' | 'headers'>;

/** @returns the client's address in its shortest form; null when the connection is gone already */
export type AddressOf = (incoming: Incoming) => string | null;

/** @returns the network that is limited as one: an IPv4 address, or the /64 of an IPv6 one */
export type NetworkOf = (incoming: Incoming) => string;

/** Entries of X-Forwarded-For that are looked at, from the end. */
const MOST_ENTRIES = 20;

/**
 * Makes what tells the client's address. X-Forwarded-For is what anyone may write, so that only the entries that trusted
 * proxies have added count: each adds whom it was reached by, at the end.
 * @param trusted null believes nobody
 */
export function createAddressOf(trusted: TrustedProxies | null): AddressOf {
  const nearest = ({ remoteAddress }: Socket) => canonical(remoteAddress ?? '');
  if (trusted === null) return ({ socket }) => nearest(socket);
  const clientOf = 'hops' in trusted ? behindHops(trusted.hops) : behindNetworks(trusted.networks);
  return ({ socket, headers }) => {
    const address = nearest(socket);
    return address === null ? null : clientOf(address, forwarded(headers));
  };
}

/** Makes what tells the network of the client's address. @param trusted null believes nobody */
export function createNetworkOf(trusted: TrustedProxies | null): NetworkOf {
  const addressOf = createAddressOf(trusted);
  const tell: NetworkOf = (incoming) => networkOf(addressOf(incoming) ?? '');
  return trusted === null ? onceForSocket(tell) : tell;
}

/** From the nearest to the farthest; what comes before an entry that is no address can't be believed either. */
function forwarded(headers: IncomingMessage['headers']): string[] {
  const header = headers['x-forwarded-for'];
  const entries = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').slice(-MOST_ENTRIES).reverse();
  const addresses: string[] = [];
  for (const entry of entries) {
    const address = canonical(withoutPort(entry.trim()));
    if (address === null) break;
    addresses.push(address);
  }
  return addresses;
}

function behindHops(hops: number) {
  // A chain that is shorter than it should be was entered in the middle: its farthest entry was added by a proxy.
  return (nearest: string, others: readonly string[]) => others[Math.min(hops, others.length) - 1] ?? nearest;
}

function behindNetworks(networks: readonly string[]) {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  const isTrusted = (address: string) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  return (nearest: string, others: readonly string[]) => {
    let client = nearest;
    for (const next of others) {
      if (!isTrusted(client)) break;
      client = next;
    }
    return client;
  };
}

function withoutPort(entry: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/u.exec(entry)?.[1];
  return bracketed ?? entry.replace(/^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/u, '$1');
}

/** One way to write each address, IPv4 within IPv6 as IPv4; null for what is none. */
function canonical(text: string): string | null {
  const [bare = ''] = text.split('%', 1);
  if (isIP(bare) === 0) return null;
  if (isIP(bare) === 4) return bare;
  const { address } = new SocketAddress({ address: bare, family: 'ipv6' });
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/u.exec(address)?.[1] ?? address;
}

const GROUPS = 8;
/** Of the /64 that one customer of a provider has, with more addresses than could be counted. */
const NETWORK_GROUPS = 4;

function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [head, tail] = address.split('::', 2).map((side) => (side === '' ? [] : side.split(':')));
  const last = tail ?? [];
  // The last two groups may be written like an IPv4 address.
  const given = (head?.length ?? 0) + last.length + (last.at(-1)?.includes('.') ? 1 : 0);
  const zeros = tail === undefined ? [] : Array.from({ length: GROUPS - given }, () => '0');
  return `${[...(head ?? []), ...zeros, ...last].slice(0, NETWORK_GROUPS).join(':')}::/64`;
}

/** Where only the connection counts, it is the same for all its requests. */
function onceForSocket(tell: NetworkOf): NetworkOf {
  const told = new WeakMap<Socket, string>();
  return (incoming) => {
    const known = told.get(incoming.socket);
    if (known !== undefined) return known;
    const network = tell(incoming);
    told.set(incoming.socket, network);
    return network;
  };
}
