import { describe, expect, it } from 'vitest';
import { hugePagesCommand, hugePagesMissing } from '../../../bench/huge-pages.ts';

const MIB = 1_048_576;

const meminfo = ({ free = 0, reserved = 0, size = 2048 }) => `MemTotal:       24684152 kB
AnonHugePages:    131072 kB
HugePages_Total:    1000
HugePages_Free:     ${free}
HugePages_Rsvd:     ${reserved}
HugePages_Surp:        0
Hugepagesize:       ${size} kB
Hugetlb:         2048000 kB
`;

describe('hugePagesMissing', () => {
  it('counts whole pages: a byte more takes one more', () => {
    expect(hugePagesMissing(meminfo({ free: 4 }), 10 * MIB)).toBe(1);
    expect(hugePagesMissing(meminfo({ free: 4 }), 10 * MIB + 1)).toBe(2);
    expect(hugePagesMissing(meminfo({ free: 1, size: 1_048_576 }), 1025 * MIB)).toBe(1);
  });

  it('is 0 when there are enough, and more than enough', () => {
    expect(hugePagesMissing(meminfo({ free: 5 }), 10 * MIB)).toBe(0);
    expect(hugePagesMissing(meminfo({ free: 500 }), 10 * MIB)).toBe(0);
  });

  it('takes pages that are promised to others for gone', () => {
    expect(hugePagesMissing(meminfo({ free: 5, reserved: 3 }), 10 * MIB)).toBe(3);
  });

  it('refuses a kernel without huge pages', () => {
    expect(() => hugePagesMissing('MemTotal:       24684152 kB\n', 10 * MIB)).toThrow('needs huge pages');
  });
});

describe('hugePagesCommand', () => {
  it('keeps those that others hold, and leaves room for what PostgreSQL shares beside its buffers', () => {
    expect(hugePagesCommand(meminfo({ free: 100 }), 1_000 * MIB)).toBe('sysctl -w vm.nr_hugepages=1475');
  });

  it('is none when there are enough', () => {
    expect(hugePagesCommand(meminfo({ free: 575 }), 1_000 * MIB)).toBeNull();
  });
});
