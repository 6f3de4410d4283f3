import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createAddressOf, createNetworkOf } from '../../../../api/limits/client-address.ts';
import type { TrustedProxies } from '../../../../platform/variable-kinds.ts';

/** A request over a connection from an address. */
function from(remoteAddress: string, forwarded?: string) {
  const socket = new Socket();
  Object.defineProperty(socket, 'remoteAddress', { value: remoteAddress, configurable: true });
  return { socket, headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } };
}

function networkOf(trusted: TrustedProxies | null, address: string, forwarded?: string): string {
  return createNetworkOf(trusted)(from(address, forwarded));
}

describe('the network of a request', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ])('%s is of %s', (address, network) => {
    expect(networkOf(null, address)).toBe(network);
  });

  it('is that of the connection, whatever the header says, where no proxy is trusted', () => {
    expect(networkOf(null, '192.0.2.7', '198.51.100.1')).toBe('192.0.2.7');
  });

  it('is told once for a connection', () => {
    const tell = createNetworkOf(null);
    const request = from('192.0.2.7');
    tell(request);
    Object.defineProperty(request.socket, 'remoteAddress', { value: undefined });
    expect(tell(request)).toBe('192.0.2.7');
  });
});

describe('behind a number of proxies', () => {
  it.each([
    [1, 'only what the proxy itself added counts', '203.0.113.66, 198.51.100.1', '198.51.100.1'],
    [2, 'two entries from the end', '203.0.113.66, 198.51.100.1, 192.0.2.2', '198.51.100.1'],
    [2, 'a shorter chain was entered in the middle', '198.51.100.1', '198.51.100.1'],
    [1, 'without the header it is the connection', undefined, '10.0.0.1'],
    [1, 'what is no address is nobody', 'unknown', '10.0.0.1'],
    [2, 'and what comes before it is not believed', '203.0.113.66, garbage, 198.51.100.1', '198.51.100.1'],
    [1, 'ports are no part of an address', '198.51.100.1:1234', '198.51.100.1'],
    [1, 'nor are brackets', '[2001:db8:1:2::9]:443', '2001:db8:1:2::/64'],
    [1, 'an address has one form', '2001:0DB8:0001:0002:0000:0000:0000:0009', '2001:db8:1:2::/64'],
    [1, 'IPv4 within IPv6 is IPv4', '::ffff:198.51.100.1', '198.51.100.1'],
  ])('%i: %s', (hops, _what, forwarded, network) => {
    expect(networkOf({ hops }, '10.0.0.1', forwarded)).toBe(network);
  });

  it('looks at a few entries from the end alone', () => {
    const forwarded = Array.from({ length: 1_000 }, (_, index) => `198.51.100.${index % 250}`).join(',');
    expect(networkOf({ hops: 1 }, '10.0.0.1', forwarded)).toBe('198.51.100.249');
  });
});

describe('behind proxies with known addresses', () => {
  const networks = ['10.0.0.0/8', '2001:db8:ff::/48', '192.0.2.2'];

  it.each([
    ['a stranger is not believed', '203.0.113.1', '198.51.100.1', '203.0.113.1'],
    ['a proxy is', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['a proxy behind a proxy too', '10.1.2.3', '198.51.100.1, 192.0.2.2', '198.51.100.1'],
    ['what the client wrote itself is not', '10.1.2.3', '203.0.113.66, 198.51.100.1', '198.51.100.1'],
    ['over IPv6', '2001:db8:ff::7', '198.51.100.1', '198.51.100.1'],
    ['over IPv4 within IPv6', '::ffff:10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['proxies all the way', '10.1.2.3', '10.9.9.9', '10.9.9.9'],
  ])('%s', (_what, address, forwarded, network) => {
    expect(networkOf({ networks }, address, forwarded)).toBe(network);
  });
});

describe('the address of a request', () => {
  it('is whole, in one form, and nothing once the connection is gone', () => {
    const addressOf = createAddressOf({ hops: 1 });
    expect(addressOf(from('10.0.0.1', '2001:0DB8:0:0::9'))).toBe('2001:db8::9');
    expect(addressOf(from('10.0.0.1'))).toBe('10.0.0.1');
    expect(createAddressOf(null)(from('::ffff:192.0.2.7', '198.51.100.1'))).toBe('192.0.2.7');
    expect(addressOf(from('', '198.51.100.1'))).toBeNull();
  });
});
