import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createHoldBack } from '../../../../api/limits/hold-back.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const newSocket = () => ({ destroy: vi.fn() }) as unknown as Socket;

function open() {
  let time = 1_000;
  const holdBack = createHoldBack(
    () => time,
    () => 0.5,
  );
  /** @returns what became of it */
  function refuse(network = '192.0.2.7', socket = newSocket()) {
    const outgoing = new EventEmitter();
    const answer = vi.fn();
    holdBack({ network, incoming: { socket }, outgoing: outgoing as never, answer });
    return { answer, socket, close: () => outgoing.emit('close') };
  }
  return {
    refuse,
    refuseOften: (times: number) => Array.from({ length: times }, () => refuse()),
    pass: (ms: number) => {
      time += ms;
    },
  };
}

describe('the answer to a refused request', () => {
  it('is held back from the 101st of a minute on, for one network alone', () => {
    const { refuse, refuseOften } = open();
    for (const { answer } of refuseOften(100)) expect(answer).toHaveBeenCalledOnce();
    const { answer } = refuse();
    vi.advanceTimersByTime(3_749);
    expect(answer).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(answer).toHaveBeenCalledOnce();
    expect(refuse('192.0.2.8').answer).toHaveBeenCalledOnce();
  });

  it('is given at once again when the minute is over', () => {
    const { refuse, refuseOften, pass } = open();
    refuseOften(500);
    pass(59_999);
    expect(refuse().answer).not.toHaveBeenCalled();
    pass(1);
    expect(refuse().answer).toHaveBeenCalledOnce();
  });

  it('is forgotten when the client does not wait for it', () => {
    const { refuse, refuseOften } = open();
    refuseOften(100);
    const before = vi.getTimerCount();
    const { answer, close } = refuse();
    expect(vi.getTimerCount()).toBe(before + 1);
    close();
    expect(vi.getTimerCount()).toBe(before);
    vi.runAllTimers();
    expect(answer).not.toHaveBeenCalled();
  });

  it('is one for each connection: who sends on without it loses the connection', () => {
    const { refuse, refuseOften } = open();
    refuseOften(100);
    const { socket, close } = refuse();
    const second = refuse('192.0.2.7', socket);
    expect(second.answer).not.toHaveBeenCalled();
    expect(socket.destroy).toHaveBeenCalledOnce();
    close();
    refuse('192.0.2.7', socket);
    expect(socket.destroy).toHaveBeenCalledOnce();
  });
});
